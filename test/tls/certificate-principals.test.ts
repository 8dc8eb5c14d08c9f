import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { ClavigerClient, ClavigerError } from "@claviger/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestDaemon } from "../daemon.ts";
import type { TestDaemon } from "../daemon.ts";
import { Authority, PemFolder } from "./certificates.ts";
import type { Issued } from "./certificates.ts";

/* Principals that a client certificate proves, and tokens that are good for nothing without it. */

const CLAVIGER = fileURLToPath(new URL("../../packages/cli/bin/claviger.js", import.meta.url));

const files = new PemFolder();
const data = mkdtempSync(join(tmpdir(), "claviger-certificates-"));
let ca: Authority;
let clients: Authority;
let daemon: TestDaemon;
let admin: ClavigerClient;
/** Of the administrator, of the service `orders`, and one that is bound to nobody. */
let mine: Issued, orders: Issued, stranger: Issued;

const behindTls = () => ({
  CLAVIGER_TLS_CERT: join(files.path, "server.pem"),
  CLAVIGER_TLS_KEY: join(files.path, "server.key"),
  CLAVIGER_TLS_CLIENT_CA: join(files.path, "clients.pem"),
});

beforeAll(async () => {
  ca = await Authority.create("CN=Server CA");
  clients = await Authority.create("CN=Client CA");
  [mine, orders, stranger] = await Promise.all([
    clients.issueClient({ subject: "CN=admin" }),
    clients.issueClient({ subject: "CN=orders" }),
    clients.issueClient({ subject: "CN=stranger" }),
  ]);
  const server = await ca.issueServer();
  files.write("server.pem", server.cert);
  files.write("server.key", server.key);
  files.write("clients.pem", clients.pem);
  daemon = await startTestDaemon({ folder: join(data, "data"), env: behindTls() });
  admin = client(mine, daemon.token);
});

afterAll(async () => {
  admin.close();
  await daemon[Symbol.asyncDispose]();
  files[Symbol.dispose]();
  rmSync(data, { recursive: true, force: true });
});

function client(issued: Issued, token?: string): ClavigerClient {
  return new ClavigerClient({ address: daemon.address, token, tls: { ca: ca.pem, ...issued }, retries: 0 });
}
const fingerprint = ({ cert }: Issued) =>
  new X509Certificate(cert).fingerprint256.replaceAll(":", "").toLowerCase();

/** The name of the principal that is let in, or the code of the refusal. */
async function whoIs(issued: Issued, token?: string): Promise<string> {
  using one = client(issued, token);
  return await nameOrCode(one);
}
async function nameOrCode(one: ClavigerClient): Promise<string> {
  try {
    return (await one.principals.whoAmI()).name;
  } catch (error) {
    if (error instanceof ClavigerError) return error.code;
    throw error;
  }
}

async function service(name: string, bound?: Issued): Promise<string> {
  const { token } = await admin.principals.create({ name, grants: [{ role: "auditor" }] });
  if (bound !== undefined) await admin.principals.bindCertificate(name, fingerprint(bound));
  return token;
}

test("a certificate that is bound proves its principal without a token, and one that is not proves nobody", async () => {
  const token = await service("orders", orders);
  expect(await whoIs(orders)).toBe("orders");
  expect(await whoIs(stranger)).toBe("unauthenticated");
  expect(await whoIs(orders, token)).toBe("orders");
  using one = client(orders);
  await expect(one.projects.create({ name: "shop" })).rejects.toMatchObject({ code: "forbidden" });
  expect((await one.status()).ready).toBe(true);
});

test("a token decides who calls, and one of a bound principal is good for nothing with another certificate", async () => {
  const free = await service("free");
  expect(await whoIs(orders, free)).toBe("free");
  expect(await whoIs(stranger, free)).toBe("free");
  const { token } = await admin.principals.createToken("orders");
  expect(await whoIs(orders, token)).toBe("orders");
  expect(await whoIs(stranger, token)).toBe("certificate-mismatch");
  expect(await whoIs(mine, token)).toBe("certificate-mismatch");
  await admin.principals.revokeToken(
    "orders",
    (await admin.principals.listTokens("orders")).at(-1)?.id ?? "",
  );
  expect(await whoIs(orders, token)).toBe("token-revoked");
});

test.for(["", "Bearer", "Bearer nobody", "Basic YWRtaW46YWRtaW4=", "Bearer a b"])(
  "where there is an Authorization `%s`, the certificate is not taken in its place",
  async (authorization) => {
    const request = get(`${daemon.address}/v1/whoami`, {
      ca: ca.pem,
      ...orders,
      agent: false,
      headers: { authorization },
    });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(401);
  },
);

test("what is changed holds at once, on connections that are open too", async () => {
  const [first, second] = await Promise.all([clients.issueClient(), clients.issueClient()]);
  const token = await service("moving", first);
  using open = client(first);
  using openWithToken = client(first, token);
  const both = async () => [await nameOrCode(open), await nameOrCode(openWithToken)];
  expect(await both()).toEqual(["moving", "moving"]);
  await admin.principals.disable("moving");
  expect(await both()).toEqual(["principal-disabled", "principal-disabled"]);
  await admin.principals.enable("moving");
  await admin.principals.bindCertificate("moving", fingerprint(second));
  expect(await both()).toEqual(["unauthenticated", "certificate-mismatch"]);
  expect(await whoIs(second)).toBe("moving");
  await admin.principals.bindCertificate("moving", undefined);
  expect(await both()).toEqual(["unauthenticated", "moving"]);
  expect(await whoIs(second)).toBe("unauthenticated");
});

test("a certificate is of one principal only", async () => {
  await service("twin");
  const bind = admin.principals.bindCertificate("twin", fingerprint(orders));
  await expect(bind).rejects.toMatchObject({ code: "certificate-taken", field: "fingerprint" });
  expect((await admin.principals.get("twin")).certificate).toBe(null);
  expect((await admin.principals.get("orders")).certificate).toBe(fingerprint(orders));
});

test("an administrator who is bound binds and frees by the command line, which needs no token for it", async () => {
  await admin.principals.bindCertificate("administrator", fingerprint(mine));
  const env = {
    CLAVIGER_ADDR: daemon.address,
    XDG_CONFIG_HOME: files.path,
    CLAVIGER_CA: files.write("ca.pem", ca.pem),
    CLAVIGER_CLIENT_CERT: files.write("mine.pem", mine.cert),
    CLAVIGER_CLIENT_KEY: files.write("mine.key", mine.key),
  };
  const claviger = async (...words: readonly string[]) => {
    const child = spawn(process.execPath, [CLAVIGER, "principal", ...words], {
      env,
      cwd: files.path,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return stdout + stderr;
  };
  const other = await clients.issueClient();
  const { fingerprint256 } = new X509Certificate(other.cert);
  await service("by-hand");
  expect(await claviger("show")).toContain("administrator");
  const bound = `by-hand has the client certificate with SHA-256 ${fingerprint(other)}.\n`;
  expect(await claviger("certificate", "by-hand")).toBe("by-hand has no client certificate.\n");
  const path = files.write("other.pem", other.cert);
  expect(await claviger("certificate", "by-hand", "--file", path)).toBe(bound);
  expect(await claviger("certificate", "by-hand")).toBe(bound);
  expect(await claviger("certificate", "by-hand", "--none")).toBe("by-hand has no client certificate.\n");
  const typed = `sha256 Fingerprint=${fingerprint256}`;
  expect(await claviger("certificate", "by-hand", "--fingerprint", typed)).toBe(bound);
  expect(await claviger("certificate", "by-hand", "--file", env.CLAVIGER_CLIENT_KEY)).toContain(
    "is not a certificate",
  );
  expect(await claviger("certificate", "by-hand", "--file", path, "--none")).toContain("cannot be used with");
  expect(await whoIs(other)).toBe("by-hand");
  await admin.principals.bindCertificate("administrator", undefined);
});

test("nobody binds himself to a certificate that his connection has not proved, or frees himself without a token", async () => {
  const refused = async (one: ClavigerClient, certificate: Issued | undefined) => {
    const bound = certificate && fingerprint(certificate);
    try {
      return (await one.principals.bindCertificate("administrator", bound)).certificate;
    } catch (error) {
      if (error instanceof ClavigerError) return error.code;
      throw error;
    }
  };
  expect(await refused(admin, stranger)).toBe("certificate-not-proved");
  using other = client(stranger, daemon.token);
  expect(await refused(other, mine)).toBe("certificate-not-proved");
  expect((await admin.principals.whoAmI()).certificate).toBe(null);
  expect(await refused(admin, mine)).toBe(fingerprint(mine));
  using withoutToken = client(mine);
  expect(await refused(withoutToken, undefined)).toBe("credential-needed");
  expect(await refused(withoutToken, stranger)).toBe("certificate-not-proved");
  expect(await refused(withoutToken, mine)).toBe(fingerprint(mine));
  expect(await refused(admin, undefined)).toBe(null);
  // By his id he is the same.
  const { id } = await admin.principals.whoAmI();
  await expect(admin.principals.bindCertificate(id, fingerprint(stranger))).rejects.toMatchObject({
    code: "certificate-not-proved",
    field: "fingerprint",
  });
});

test("rows into which somebody wrote a certificate or an identity, or from which they were taken, are not used", async () => {
  const [held, stolen] = await Promise.all([clients.issueClient(), clients.issueClient()]);
  await service("held", held);
  const free = await service("victim");
  await admin.principals.create({ name: "anna", kind: "person", grants: [{ role: "auditor" }] });
  const linked = await admin.principals.createToken("anna");
  await admin.principals.link("anna", { issuer: "https://id.example.org", subject: "7" });
  const heldToken = (await admin.principals.createToken("held")).token;
  expect(await whoIs(mine, linked.token)).toBe("anna");
  await daemon[Symbol.asyncDispose]();

  const db = new DatabaseSync(join(daemon.folder, "store", "claviger.db"));
  db.prepare("UPDATE principals SET certificate = NULL WHERE name = 'held'").run();
  db.prepare("UPDATE principals SET certificate = ? WHERE name = 'victim'").run(fingerprint(stolen));
  db.prepare("UPDATE principals SET subject = '8' WHERE name = 'anna'").run();
  db.close();

  daemon = await startTestDaemon({ folder: daemon.folder, env: behindTls() });
  admin.close();
  admin = client(mine, daemon.token);
  for (const [issued, token] of [
    [stranger, heldToken],
    [stolen, undefined],
    [stolen, free],
    [mine, linked.token],
  ] as const)
    expect(await whoIs(issued, token)).toBe("record-not-vouched");
  expect(await whoIs(held)).toBe("unauthenticated");
});

test("a token of a bound principal is good for nothing where nobody proves a certificate", async () => {
  const { token } = await admin.principals.createToken("orders");
  await daemon[Symbol.asyncDispose]();
  daemon = await startTestDaemon({ folder: daemon.folder });
  using plain = new ClavigerClient({ address: daemon.address, token, retries: 0 });
  expect(await nameOrCode(plain)).toBe("certificate-mismatch");
  admin.close();
  admin = new ClavigerClient(daemon);
  await admin.principals.bindCertificate("orders", undefined);
  expect(await nameOrCode(plain)).toBe("orders");
  const bind = admin.principals.bindCertificate("administrator", fingerprint(mine));
  await expect(bind).rejects.toMatchObject({ code: "certificate-not-proved" });
});
