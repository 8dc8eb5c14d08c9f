import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import * as http from "node:http";
import * as https from "node:https";
import { connect as connectTcp, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { buildApp } from "../../packages/server/src/http/app.ts";
import { HTTP_LIMITS } from "../../packages/server/src/http/limits.ts";
import { TlsFront } from "../../packages/server/src/http/tls-front.ts";
import type { TlsMaterial } from "../../packages/server/src/http/tls-front.ts";
import { createLog } from "../../packages/server/src/ops/log.ts";
import { presentFailure } from "../../packages/server/src/protocols/native/errors.ts";
import { Authority } from "./certificates.ts";
import type { Issued } from "./certificates.ts";

/*
 * The TLS side of the HTTP front, by real handshakes over loopback with certificates made here.
 */

let ca: Authority;
let clients: Authority;
let strangers: Authority;
let server: Issued;
let client: Issued;

beforeAll(async () => {
  [ca, clients, strangers] = (await Promise.all(
    ["CN=Server CA", "CN=Client CA", "CN=Strangers"].map((subject) => Authority.create(subject)),
  )) as [Authority, Authority, Authority];
  [server, client] = await Promise.all([ca.issueServer(), clients.issueClient()]);
});

const started: { close: () => Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map(({ close }) => close()));
});

/** An application with one route, which shows the certificate of the client. */
async function start(material: TlsMaterial): Promise<{ readonly port: number; readonly front: TlsFront }> {
  const front = new TlsFront(material, presentFailure);
  const app = buildApp({
    log: createLog("silent"),
    bodyLimitBytes: 1024,
    presentFailure,
    isListedRoute: () => true,
    tls: front,
  });
  app.get("/who", (request) => ({ certificate: request.clientCertificate ?? null }));
  await app.listen({ host: "127.0.0.1", port: 0 });
  started.push({ close: () => app.close() });
  return { port: (app.server.address() as AddressInfo).port, front };
}

interface Reply {
  readonly status: number | undefined;
  readonly connection: string | undefined;
  readonly body: unknown;
  readonly socket: TLSSocket;
}

function get(port: number, options: https.RequestOptions & { session?: Buffer } = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = https.get({
      host: "127.0.0.1",
      port,
      path: "/who",
      ca: ca.pem,
      agent: false,
      ...options,
    });
    request.on("error", reject);
    request.on("response", (response) => {
      text(response).then((body) => {
        const socket = response.socket as TLSSocket;
        const { connection } = response.headers;
        resolve({ status: response.statusCode, connection, body: JSON.parse(body) as unknown, socket });
      }, reject);
    });
  });
}

/** Handshakes, and says what came of it: the protocol, or the code of the error. */
async function handshake(port: number, options: ConnectionOptions): Promise<string> {
  const socket = connectTls({ host: "127.0.0.1", port, ca: ca.pem, ...options });
  const outcome = await new Promise<string>((resolve) => {
    socket.once("secureConnect", () => resolve(socket.getProtocol() ?? ""));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
  });
  socket.destroy();
  return outcome;
}

const OLD = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;

describe("TLS", () => {
  test("is 1.3 with a client that can, and 1.2 with one that cannot", async () => {
    const { port } = await start(server);
    expect(await handshake(port, {})).toBe("TLSv1.3");
    expect(await handshake(port, { maxVersion: "TLSv1.2" })).toBe("TLSv1.2");
  });

  test("1.1 is refused, by a handshake that another server would take", async () => {
    const { port } = await start(server);
    expect(await handshake(port, OLD)).toBe("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
    const lax = createTlsServer({ ...server, ...OLD });
    lax.listen(0, "127.0.0.1");
    await once(lax, "listening");
    expect(await handshake((lax.address() as AddressInfo).port, OLD)).toBe("TLSv1.1");
    lax.close();
  });

  test("1.2 without forward secrecy or AEAD is refused", async () => {
    const { port } = await start(server);
    for (const ciphers of ["ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256"]) {
      expect(await handshake(port, { maxVersion: "TLSv1.2", ciphers }), ciphers).toMatch(
        /HANDSHAKE_FAILURE$/,
      );
    }
  });

  test("shows a certificate by which a client can tell this service from another", async () => {
    const { port } = await start(server);
    expect((await get(port)).status).toBe(200);
    await expect(get(port, { ca: strangers.pem })).rejects.toMatchObject({
      code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    });
    await expect(get(port, { servername: "another.example" })).rejects.toMatchObject({
      code: "ERR_TLS_CERT_ALTNAME_INVALID",
    });
  });

  test("a client that closes in the middle of a handshake does no harm", async () => {
    const { port } = await start(server);
    for (const bytes of [Buffer.of(), Buffer.of(0x16), Buffer.from("160301", "hex")]) {
      const socket = connectTcp(port, "127.0.0.1");
      await once(socket, "connect");
      socket.end(bytes);
      socket.resume();
      await once(socket, "close");
    }
    expect((await get(port)).status).toBe(200);
  });

  test("a handshake that comes byte by byte is one all the same", async () => {
    const { port } = await start(server);
    const slow = connectTcp(port, "127.0.0.1").setNoDelay(true);
    await once(slow, "connect");
    const hello = await clientHello();
    slow.write(hello.subarray(0, 1));
    await new Promise((resolve) => setTimeout(resolve, 50));
    slow.write(hello.subarray(1));
    const [answer] = (await once(slow, "data")) as [Buffer];
    expect(answer[0]).toBe(0x16);
    slow.destroy();
  });
});

/** The first flight of a TLS client, caught by a server that never answers. */
async function clientHello(): Promise<Buffer> {
  const catcher = createServer();
  catcher.listen(0, "127.0.0.1");
  await once(catcher, "listening");
  const socket = connectTls({ host: "127.0.0.1", port: (catcher.address() as AddressInfo).port });
  socket.on("error", () => undefined);
  const [peer] = (await once(catcher, "connection")) as [NodeJS.ReadableStream & { destroy(): void }];
  const [hello] = (await once(peer, "data")) as [Buffer];
  peer.destroy();
  socket.destroy();
  catcher.close();
  return hello;
}

test("a connection on which nothing has come does not hold up a stop", async () => {
  const { port } = await start(server);
  const silent = connectTcp(port, "127.0.0.1");
  await once(silent, "connect");
  expect((await get(port)).status).toBe(200); // by now the server has seen the silent one too
  const closed = Promise.all(started.splice(0).map(({ close }) => close())).then(() => "closed");
  const late = new Promise((resolve) =>
    setTimeout(resolve, HTTP_LIMITS.headersTimeoutMs / 2, "late").unref(),
  );
  expect(await Promise.race([closed, late])).toBe("closed");
  silent.destroy();
});

describe("plain HTTP to a port that speaks TLS", () => {
  test.for([
    ["a GET", { method: "GET" }, ""],
    ["a POST whose body is larger than what is read", { method: "POST" }, "x".repeat(500_000)],
  ] as const)("%s is told to use https, and nothing of it is done", async ([, options, body]) => {
    const { port } = await start(server);
    const request = http.request({ host: "127.0.0.1", port, path: "/who", agent: false, ...options });
    request.end(body);
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    expect(response.statusCode).toBe(400);
    expect(response.headers.connection).toBe("close");
    expect(JSON.parse(await text(response))).toMatchObject({
      error: { code: "tls-required", advice: expect.stringContaining("https://") as string },
    });
    request.destroy();
  });
});

describe("mutual TLS", () => {
  const withClients = (): TlsMaterial => ({ ...server, ca: clients.pem });

  test("a client of the CA gets through, and the request knows its certificate", async () => {
    const { port } = await start(withClients());
    const { status, body } = await get(port, client);
    const der = new X509Certificate(client.cert).raw;
    expect(status).toBe(200);
    expect(body).toEqual({
      certificate: { sha256: createHash("sha256").update(der).digest("hex"), subject: "CN=orders, O=Shop" },
    });
  });

  test("a subject that looks like two is shown as the one that it is", async () => {
    const { port } = await start(withClients());
    const tricky = await clients.issueClient({ subject: [{ CN: ["orders, CN=administrator\nO=Claviger"] }] });
    const { body } = await get(port, tricky);
    const { certificate } = body as { certificate: { subject: string } };
    expect(certificate.subject).toBe(String.raw`CN=orders\, CN=administrator\0AO=Claviger`);
  });

  test.for<[string, () => Promise<Partial<Issued>>, RegExp]>([
    ["without a certificate", async () => ({}), /no certificate/],
    ["with one of another CA", () => strangers.issueClient(), /UNABLE_TO_VERIFY_LEAF_SIGNATURE/],
    [
      "with one of another CA of the same name",
      async () => (await Authority.create("CN=Client CA")).issueClient(),
      /CERT_SIGNATURE_FAILURE|UNABLE_TO_VERIFY|SELF_SIGNED/,
    ],
    ["with one that has expired", () => clients.issueClient({ validHours: [-2, -1] }), /CERT_HAS_EXPIRED/],
    ["with one that is not valid yet", () => clients.issueClient({ validHours: [1, 2] }), /NOT_YET_VALID/],
    ["with one for servers", () => clients.issueServer(), /INVALID_PURPOSE/],
    ["with one of the CA of the server", () => ca.issueClient(), /SELF_SIGNED_CERT_IN_CHAIN/],
  ])("a client %s is refused, and told why", async ([, credentials, why]) => {
    const { port } = await start(withClients());
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const { status, body } = await get(port, { ...(await credentials()), maxVersion });
      expect(status, maxVersion).toBe(401);
      expect(body).toMatchObject({
        error: { code: "client-certificate-refused", message: expect.stringMatching(why) as string },
      });
    }
  });

  test("health is behind it too", async () => {
    const { port } = await start(withClients());
    expect((await get(port, { path: "/livez" })).status).toBe(401);
  });

  test("a certificate that nobody asked for is not taken for one that was verified", async () => {
    const { port } = await start(server);
    expect((await get(port, client)).body).toEqual({ certificate: null });
  });
});

describe("replacing certificates while it runs", () => {
  test("connections to come see the new certificate", async () => {
    const { port, front } = await start(server);
    const before = (await get(port)).socket.getPeerCertificate().fingerprint256;
    front.replace(await ca.issueServer());
    const after = (await get(port)).socket.getPeerCertificate().fingerprint256;
    expect(after).not.toBe(before);
  });

  test("a connection of before is closed with its next reply, whatever a client wants", async () => {
    const { port, front } = await start(server);
    using agent = keptConnections();
    expect((await get(port, { agent })).connection).toBe("keep-alive");
    expect((await get(port, { agent })).connection).toBe("keep-alive");
    front.replace(await ca.issueServer());
    expect((await get(port, { agent })).connection).toBe("close");
  });

  test("a session of a client whose CA is gone is not resumed", async () => {
    const { port, front } = await start({ ...server, ca: clients.pem });
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      front.replace({ ...server, ca: clients.pem });
      const session = await sessionOf(port, maxVersion);
      const resumed = await get(port, { ...client, maxVersion, session });
      expect([resumed.status, resumed.socket.isSessionReused()], maxVersion).toEqual([200, true]);
      front.replace({ ...server, ca: strangers.pem });
      const refused = await get(port, { ...client, maxVersion, session });
      expect([refused.status, refused.socket.isSessionReused()], maxVersion).toEqual([401, false]);
    }
  });

  test("what OpenSSL refuses leaves everything as it was", async () => {
    const { port, front } = await start(server);
    expect(() => front.replace({ cert: server.cert, key: client.key })).toThrow(/key values mismatch/i);
    expect((await get(port)).status).toBe(200);
  });

  /** A session that the server gave to a client with a certificate. */
  async function sessionOf(port: number, maxVersion: "TLSv1.2" | "TLSv1.3"): Promise<Buffer> {
    const socket = connectTls({ host: "127.0.0.1", port, ca: ca.pem, ...client, maxVersion });
    const given = once(socket, "session");
    socket.write("GET /who HTTP/1.1\r\nhost: a\r\n\r\n");
    const [session] = (await given) as [Buffer];
    await once(socket, "data");
    socket.destroy();
    return session;
  }
});

function keptConnections(): https.Agent & Disposable {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  return Object.assign(agent, { [Symbol.dispose]: () => agent.destroy() });
}
