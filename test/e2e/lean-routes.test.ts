import { once } from "node:events";
import { connect } from "node:net";
import { ClavigerClient } from "@claviger/sdk";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { TestDaemon } from "../daemon.ts";
import { startTestDaemon } from "../daemon.ts";

/**
 * The hot routes, served twice: without Fastify, as plain requests are, and by Fastify, which a media type in other letters
 * is left to. Nobody who calls can tell which it was.
 */
const LEAN = "application/json";
const BY_FASTIFY = "application/json; charset=UTF-8";

let daemon: TestDaemon;
let client: ClavigerClient;
let user: string;
let auditor: string;
let ciphertext: string;
let signature: string;
const served: { lean?: boolean; operation: string; status: number }[] = [];

beforeAll(async () => {
  daemon = await startTestDaemon({
    log: (line) => {
      const { msg, ...entry } = JSON.parse(line) as { msg: string; operation: string; status: number };
      if (msg === "request") served.push(entry);
    },
  });
  client = new ClavigerClient(daemon);
  await client.projects.create({ name: "shop" });
  await client.projects.create({ name: "other" });
  for (const name of ["orders", "off"]) await client.keys.create({ project: "shop", name });
  await client.keys.create({ project: "shop", name: "signer", spec: "EC_P256" });
  await client.keys.disable({ project: "shop", key: "off" });
  const tokenOf = async (name: string, role: "key-user" | "auditor"): Promise<string> =>
    (await client.principals.create({ name, grants: [{ role, project: "shop" }] })).token;
  user = await tokenOf("user", "key-user");
  auditor = await tokenOf("watcher", "auditor");
  const plaintext = Buffer.from("4111 1111 1111 1111");
  const encrypted = await client.keys.encrypt({ project: "shop", key: "orders", plaintext });
  ciphertext = Buffer.from(encrypted.ciphertext).toString("base64");
  const message = Buffer.from("hello");
  const signed = await client.keys.sign({ project: "shop", key: "signer", message });
  signature = Buffer.from(signed.signature).toString("base64");
});

afterAll(async () => {
  client.close();
  await daemon[Symbol.asyncDispose]();
});

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

async function send(
  path: string,
  body: string | Uint8Array,
  contentType: string,
  token?: string,
): Promise<Reply> {
  const reply = await fetch(daemon.address + path, {
    method: "POST",
    headers: {
      "content-type": contentType,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body,
  });
  return { status: reply.status, headers: Object.fromEntries(reply.headers), body: await reply.text() };
}

/**
 * Without what differs from one request to the next, whoever serves it; and without what becomes of the connection, which
 * Fastify closes where it is in doubt whether it has read the whole body.
 */
function comparable({ status, headers, body }: Reply) {
  const { date: _date, "x-request-id": id, "content-length": _length, ...others } = headers;
  const { connection: _connection, "keep-alive": _idle, ...rest } = others;
  expect(id).toMatch(/^req-[0-9a-f-]{36}$/);
  expect(headers["content-length"]).toBe(String(Buffer.byteLength(body)));
  const said = JSON.parse(body.replaceAll(id ?? "", "ID")) as Record<string, unknown>;
  for (const member of ["ciphertext", "signature"]) if (member in said) said[member] = "differs";
  if ("plaintext" in said && "ciphertext" in said) said["plaintext"] = "differs";
  return { status, headers: rest, said: Object.entries(said) };
}

const keyRoute = (verb: string, key = "orders", project = "shop") =>
  `/v1/projects/${project}/keys/${key}/${verb}`;
const DECRYPT = "/v1/projects/shop/decrypt";
const json = (value: unknown): string => JSON.stringify(value);
const asUser = () => user;

it.for<[string, number, () => string, () => string | Uint8Array, (() => string | undefined)?]>([
  ["encrypt", 200, () => keyRoute("encrypt"), () => json({ plaintext: "YQ==", context: { a: "b", é: "ü" } })],
  ["encrypt nothing", 200, () => keyRoute("encrypt"), () => json({ plaintext: "" })],
  ["decrypt", 200, () => DECRYPT, () => json({ ciphertext })],
  ["a data key", 200, () => keyRoute("data-key"), () => json({ lengthBytes: 16 })],
  ["sign", 200, () => keyRoute("sign", "signer"), () => json({ message: "aGVsbG8=" })],
  ["verify", 200, () => keyRoute("verify", "signer"), () => json({ message: "aGVsbG8=", signature })],
  [
    "a signature of something else",
    200,
    () => keyRoute("verify", "signer"),
    () => json({ message: "", signature }),
  ],
  ["no token", 401, () => keyRoute("encrypt"), () => json({ plaintext: "" }), () => undefined],
  ["an unknown token", 401, () => keyRoute("encrypt"), () => json({ plaintext: "" }), () => "clv_unknown"],
  ["a caller without the role", 403, () => keyRoute("encrypt"), () => json({ plaintext: "" }), () => auditor],
  ["a stranger's body that is no JSON", 401, () => keyRoute("encrypt"), () => "{", () => "clv_unknown"],
  ["another project", 404, () => keyRoute("encrypt", "orders", "other"), () => json({ plaintext: "" })],
  ["no such project", 404, () => keyRoute("encrypt", "orders", "none"), () => json({ plaintext: "" })],
  ["no such key", 404, () => keyRoute("encrypt", "none"), () => json({ plaintext: "" })],
  ["a key that is disabled", 409, () => keyRoute("encrypt", "off"), () => json({ plaintext: "" })],
  ["a key of another use", 400, () => keyRoute("encrypt", "signer"), () => json({ plaintext: "" })],
  ["no ciphertext", 400, () => DECRYPT, () => json({ ciphertext: "AAAA" })],
  ["no JSON", 400, () => keyRoute("encrypt"), () => "{"],
  ["JSON that is no object", 400, () => keyRoute("encrypt"), () => "[]"],
  ["null", 400, () => keyRoute("encrypt"), () => "null"],
  ["bytes that are no UTF-8", 400, () => keyRoute("encrypt"), () => Uint8Array.of(0x7b, 0xff, 0x7d)],
  ["a byte-order mark", 200, () => keyRoute("encrypt"), () => `\uFEFF${json({ plaintext: "" })}`],
  ["a prototype", 400, () => keyRoute("encrypt"), () => '{"plaintext":"","__proto__":{}}'],
  ["a constructor", 400, () => keyRoute("encrypt"), () => '{"plaintext":"","constructor":{"prototype":{}}}'],
  ["a member that is not known", 400, () => keyRoute("encrypt"), () => json({ plaintext: "", padding: 1 })],
  ["no base64", 400, () => keyRoute("encrypt"), () => json({ plaintext: "-_" })],
  [
    "a context value that is no string",
    400,
    () => keyRoute("encrypt"),
    () => json({ plaintext: "", context: { a: 1 } }),
  ],
  ["a name that cannot be one", 400, () => keyRoute("encrypt", "-.-"), () => json({ plaintext: "" })],
  [
    "a name of one letter too many",
    400,
    () => keyRoute("encrypt", "a".repeat(65)),
    () => json({ plaintext: "" }),
  ],
])(
  "%s: the same reply and the same record, whoever serves it",
  async ([, status, path, body, token = asUser]) => {
    const before = (await client.audit.list({ limit: 1 })).items[0]?.seq ?? 0;
    served.length = 0;
    const lean = await send(path(), body(), LEAN, token());
    const byFastify = await send(path(), body(), BY_FASTIFY, token());
    expect(comparable(lean)).toEqual(comparable(byFastify));
    expect(lean.status, lean.body).toBe(status);

    const requests = served.filter(({ operation }) => operation !== "listAudit");
    expect(requests.map((one) => [one.status, one.lean])).toEqual([
      [status, true],
      [status, undefined],
    ]);
    expect(new Set(requests.map(({ operation }) => operation)).size).toBe(1);

    const { items } = await client.audit.list({ limit: 5 });
    const made = items
      .filter(({ seq }) => seq > before)
      .map(({ seq: _seq, at: _at, request: _request, ...said }) => said);
    expect(made).toHaveLength(2);
    expect(made[0]).toEqual(made[1]);
  },
);

/** Sends texts over one connection, a while apart, and reads until `replies` replies have come. */
async function sendPieces(pieces: readonly string[], replies: number): Promise<string> {
  const { hostname, port } = new URL(daemon.address);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await once(socket, "connect");
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString()));
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  while (received.split("\r\n\r\n{").length <= replies && !socket.destroyed) await once(socket, "data");
  socket.destroy();
  return received;
}

function rawRequest(body: string, headers = `content-length: ${Buffer.byteLength(body)}`): string {
  const head = [
    `POST ${keyRoute("encrypt")} HTTP/1.1`,
    "host: x",
    "content-type: application/json",
    `authorization: Bearer ${user}`,
    headers,
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}

it("takes a body that comes in pieces, letters cut in two", async () => {
  served.length = 0;
  const request = Buffer.from(rawRequest(json({ plaintext: "", context: { é: "ü" } }))).toString("latin1");
  const at = request.indexOf("\u00c3") + 1;
  const { hostname, port } = new URL(daemon.address);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  for (const piece of [request.slice(0, at), request.slice(at, at + 3), request.slice(at + 3)]) {
    socket.write(piece, "latin1");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const [reply] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  expect(reply.toString()).toMatch(/^HTTP\/1.1 200 OK\r\n/);
  expect(served).toMatchObject([{ operation: "encrypt", lean: true }]);
});

it("answers requests in the order in which they came over one connection", async () => {
  const bodies = ["{", json({ plaintext: "" }), json({ plaintext: 1 })];
  const received = await sendPieces([bodies.map((body) => rawRequest(body)).join("")], 3);
  expect([...received.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status)).toEqual([
    "400",
    "200",
    "400",
  ]);
});

it("leaves to Fastify what is not plain, which answers as ever", async () => {
  served.length = 0;
  const body = json({ plaintext: "YQ==" });
  const chunked = `${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  expect(await sendPieces([rawRequest(chunked, "transfer-encoding: chunked")], 1)).toMatch(/^HTTP\/1.1 200/);
  const long = json({ plaintext: Buffer.alloc(15_000).toString("base64") });
  expect((await send(keyRoute("encrypt"), long, LEAN, user)).status).toBe(200);
  expect((await send(`${keyRoute("encrypt")}?a=b`, body, LEAN, user)).status).toBe(400);
  expect((await send(keyRoute("encrypt", "%6frders"), body, LEAN, user)).status).toBe(200);
  expect(served.map(({ operation }) => operation)).toEqual(["encrypt", "encrypt", "encrypt", "encrypt"]);
  expect(served.filter(({ lean }) => lean)).toEqual([]);
});

it("does nothing for a client that goes away in the middle of its body", async () => {
  const before = (await client.audit.list({ limit: 1 })).items[0]?.seq;
  const request = rawRequest(json({ plaintext: "" }));
  await sendPieces([request.slice(0, -3)], 0);
  expect((await send(keyRoute("encrypt"), json({ plaintext: "" }), LEAN, user)).status).toBe(200);
  expect((await client.audit.list({ limit: 1 })).items[0]?.seq).toBe((before ?? 0) + 1);
});

it("finishes what is under way when the service stops, and closes its connection with the reply", async () => {
  const began = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  let holds = false;
  const held = await startTestDaemon({
    store: (store) => ({
      ...store,
      readRevocations: async (input) => {
        if (holds) {
          began.resolve();
          await goOn.promise;
        }
        return await store.readRevocations(input);
      },
    }),
  });
  using admin = new ClavigerClient(held);
  await admin.projects.create({ name: "shop" });
  await admin.keys.create({ project: "shop", name: "orders" });
  holds = true;
  const reply = fetch(held.address + keyRoute("encrypt"), {
    method: "POST",
    headers: { "content-type": LEAN, authorization: `Bearer ${held.token}` },
    body: json({ plaintext: "" }),
  });
  await began.promise;
  const stopped = held[Symbol.asyncDispose]();
  await new Promise((resolve) => setTimeout(resolve, 50));
  goOn.resolve();
  expect([(await reply).status, (await reply).headers.get("connection")]).toEqual([200, "close"]);
  await stopped;
});
