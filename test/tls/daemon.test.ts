import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { ClavigerClient, ClavigerError } from "@claviger/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestDaemon } from "../daemon.ts";
import type { TestDaemon } from "../daemon.ts";
import { Authority, PemFolder } from "./certificates.ts";
import type { Issued } from "./certificates.ts";

/* The daemon behind TLS, met by the SDK and by the command line as users have them. */

const CLAVIGERD = fileURLToPath(new URL("../../packages/server/bin/clavigerd.js", import.meta.url));
const CLAVIGER = fileURLToPath(new URL("../../packages/cli/bin/claviger.js", import.meta.url));

const folder = new PemFolder();
let ca: Authority;
let clients: Authority;
let server: Issued;
let client: Issued;

beforeAll(async () => {
  ca = await Authority.create("CN=Server CA");
  clients = await Authority.create("CN=Client CA");
  [server, client] = await Promise.all([ca.issueServer(), clients.issueClient()]);
});
afterAll(() => folder[Symbol.dispose]());

function startBehindTls(more: Record<string, string> = {}): Promise<TestDaemon> {
  const files = {
    CLAVIGER_TLS_CERT: folder.write("server.pem", server.cert),
    CLAVIGER_TLS_KEY: folder.write("server.key", server.key),
  };
  return startTestDaemon({ env: { ...files, ...more } });
}

const needsClients = () => ({ CLAVIGER_TLS_CLIENT_CA: folder.write("clients.pem", clients.pem) });

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ClavigerError) return error.code;
    throw error;
  }
  return "none, it succeeded";
}

describe("the SDK", () => {
  test("works over https with the CA of the service", async () => {
    await using daemon = await startBehindTls();
    expect(daemon.address).toMatch(/^https:/);
    using claviger = new ClavigerClient({ ...daemon, tls: { ca: ca.pem } });
    await claviger.projects.create({ name: "shop" });
    expect((await claviger.status()).ready).toBe(true);
  });

  test("sends nothing to a service that it cannot trust", async () => {
    await using daemon = await startBehindTls();
    using stranger = new ClavigerClient({ ...daemon, tls: { ca: clients.pem } });
    expect(await codeOf(stranger.status())).toBe("server-not-trusted");
    using unsuspecting = new ClavigerClient(daemon);
    expect(await codeOf(unsuspecting.status())).toBe("server-not-trusted");
  });

  test("sends nothing to a service whose certificate has another name", async () => {
    const { cert, key } = await ca.issueServer({ names: [{ type: "dns", value: "elsewhere.example" }] });
    await using daemon = await startBehindTls({
      CLAVIGER_TLS_CERT: folder.write("elsewhere.pem", cert),
      CLAVIGER_TLS_KEY: folder.write("elsewhere.key", key),
    });
    using misled = new ClavigerClient({ ...daemon, tls: { ca: ca.pem } });
    expect(await codeOf(misled.status())).toBe("server-not-trusted");
  });

  test("is not talked out of it by NODE_TLS_REJECT_UNAUTHORIZED", async () => {
    await using daemon = await startBehindTls();
    const program = `
      import { ClavigerClient } from ${JSON.stringify(import.meta.resolve("@claviger/sdk"))};
      using client = new ClavigerClient(${JSON.stringify({ address: daemon.address, token: "t" })});
      await client.status().catch((error) => console.log(error.code));`;
    const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", program], {
      env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: "0" },
      stdio: ["ignore", "pipe", "ignore"],
    });
    expect((await text(child.stdout)).trim()).toBe("server-not-trusted");
  });

  test("proves itself with a certificate where the service asks for one, and learns why not", async () => {
    await using daemon = await startBehindTls(needsClients());
    using known = new ClavigerClient({ ...daemon, tls: { ca: ca.pem, ...client } });
    expect((await known.status()).ready).toBe(true);
    using unknown = new ClavigerClient({ ...daemon, tls: { ca: ca.pem } });
    expect(await codeOf(unknown.status())).toBe("client-certificate-refused");
  });

  test("is told to use https when it comes in plain HTTP", async () => {
    await using daemon = await startBehindTls();
    using plain = new ClavigerClient({ ...daemon, address: daemon.address.replace("https:", "http:") });
    expect(await codeOf(plain.status())).toBe("tls-required");
  });

  test("refuses TLS options that cannot be meant", () => {
    const token = "t";
    const at = (address: string, tls: object) => () => new ClavigerClient({ address, token, tls });
    expect(at("http://127.0.0.1", { ca: ca.pem })).toThrow(/https: addresses/);
    expect(at("https://127.0.0.1", { cert: client.cert })).toThrow(/cert and key, or neither/);
    expect(at("https://127.0.0.1", { cert: client.cert, key: server.key })).toThrow(/cannot be used/);
    expect(at("https://127.0.0.1", { ca: "none" })).toThrow(TypeError);
  });
});

describe("health", () => {
  test("is on the same listener", async () => {
    await using daemon = await startBehindTls(needsClients());
    for (const path of ["/livez", "/readyz", "/metrics"]) {
      const request = get(`${daemon.address}${path}`, { ca: ca.pem, ...client, agent: false });
      const [response] = (await once(request, "response")) as [IncomingMessage];
      expect([path, response.statusCode]).toEqual([path, 200]);
      response.resume();
    }
  });
});

describe("the command line", () => {
  async function claviger(args: readonly string[], env: Record<string, string>) {
    const child = spawn(process.execPath, [CLAVIGER, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
    const ended = once(child, "close");
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { stdout, stderr, exit: ((await ended) as [number])[0] };
  }

  test("takes CA, certificate and key from options or the environment", async () => {
    await using daemon = await startBehindTls(needsClients());
    const at = { CLAVIGER_ADDR: daemon.address, CLAVIGER_TOKEN: daemon.token };
    const [caFile, cert, key] = [
      folder.write("ca.pem", ca.pem),
      folder.write("client.pem", client.cert),
      folder.write("client.key", client.key),
    ];
    const variables = { CLAVIGER_CA: caFile, CLAVIGER_CLIENT_CERT: cert, CLAVIGER_CLIENT_KEY: key };
    expect(await claviger(["status"], { ...at, ...variables })).toMatchObject({ exit: 0, stderr: "" });
    const options = ["--ca", caFile, "--client-cert", cert, "--client-key", key];
    expect(await claviger(["status", ...options], at)).toMatchObject({ exit: 0, stderr: "" });

    const untrusted = await claviger(["status"], at);
    expect(untrusted.exit).toBe(6);
    expect(untrusted.stderr).toMatch(
      /does not prove that it is the one that was meant[^]*--ca or CLAVIGER_CA/,
    );
    const refused = await claviger(["status", "--ca", caFile], at);
    expect(refused.exit).toBe(1);
    expect(refused.stderr).toMatch(/The client shows no certificate\.\n {2}→ Connect with a certificate/);
  });
});

describe("clavigerd", () => {
  async function start(data: string, args: readonly string[]) {
    const env = { PATH: process.env["PATH"], CLAVIGER_DATA: data, CLAVIGER_LISTEN: "127.0.0.1:0" };
    const child = spawn(process.execPath, ["--disable-sigusr1", CLAVIGERD, "serve", ...args], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let log = "";
    child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout.on("data", (chunk: Buffer) => {
        const found = / serves on (\S+)/.exec(chunk.toString())?.[1];
        if (found !== undefined) resolve(found);
      });
      child.once("exit", () => reject(new Error(log)));
    });
    return { child, url, log: () => log };
  }

  test("reads its certificate again on SIGHUP, keeps the old one where that fails, and stops on SIGTERM", async () => {
    const cert = folder.write("reload.pem", server.cert);
    const key = folder.write("reload.key", server.key);
    const { child, url, log } = await start(join(folder.path, "data"), [
      "--tls-cert",
      cert,
      "--tls-key",
      key,
    ]);
    const logged = async (line: RegExp) => {
      while (!line.test(log())) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    using old = new ClavigerClient({ address: url, token: "t", tls: { ca: ca.pem } });
    expect(await codeOf(old.status())).toBe("unauthenticated");

    folder.write("reload.pem", "half written");
    child.kill("SIGHUP");
    await logged(/TLS goes on as before: tls\.cert/);
    using still = new ClavigerClient({ address: url, token: "t", tls: { ca: ca.pem } });
    expect(await codeOf(still.status())).toBe("unauthenticated");

    const renewed = await clients.issueServer();
    folder.write("reload.pem", renewed.cert);
    folder.write("reload.key", renewed.key);
    child.kill("SIGHUP");
    await logged(/the files were read again/);
    using fresh = new ClavigerClient({ address: url, token: "t", tls: { ca: clients.pem } });
    expect(await codeOf(fresh.status())).toBe("unauthenticated");

    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
  });

  test("stops on SIGHUP without TLS", async () => {
    const { child } = await start(join(folder.path, "plain"), []);
    child.kill("SIGHUP");
    expect(await once(child, "exit")).toEqual([0, null]);
  });

  test("does not start with a certificate that is none, and leaves no data folder behind", async () => {
    const cert = folder.write("none.pem", "none");
    const key = folder.write("reload.key", server.key);
    const data = join(folder.path, "never");
    const refused = start(data, ["--tls-cert", cert, "--tls-key", key]);
    await expect(refused).rejects.toThrow(/^clavigerd: config-invalid: tls\.cert names .* in PEM/);
    expect(existsSync(data)).toBe(false);
  });
});
