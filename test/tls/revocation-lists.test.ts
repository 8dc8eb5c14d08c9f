import { X509Certificate } from "node:crypto";
import { ClavigerClient, ClavigerError } from "@claviger/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestDaemon } from "../daemon.ts";
import { startTestDaemon } from "../daemon.ts";
import { Authority, PemFolder } from "./certificates.ts";
import type { Issued } from "./certificates.ts";

/* Client certificates that their CA has revoked, by real lists and real handshakes. */

const files = new PemFolder();
let ca: Authority;
let clients: Authority;
let others: Authority;
/** Of two clients of one CA, and one of another CA. */
let first: Issued, second: Issued, other: Issued;
const said: string[] = [];

beforeAll(async () => {
  [ca, clients, others] = (await Promise.all(
    ["CN=Server CA", "CN=Client CA", "CN=Other CA, O=Shop"].map((subject) => Authority.create(subject)),
  )) as [Authority, Authority, Authority];
  [first, second, other] = await Promise.all([
    clients.issueClient(),
    clients.issueClient(),
    others.issueClient(),
  ]);
  const server = await ca.issueServer();
  files.write("server.pem", server.cert);
  files.write("server.key", server.key);
  files.write("clients.pem", `${clients.pem}\n${others.pem}\n`);
});
afterAll(() => files[Symbol.dispose]());

async function start(lists: readonly Promise<string>[]): Promise<TestDaemon> {
  said.length = 0;
  await write(lists);
  return startTestDaemon({
    env: {
      CLAVIGER_TLS_CERT: `${files.path}/server.pem`,
      CLAVIGER_TLS_KEY: `${files.path}/server.key`,
      CLAVIGER_TLS_CLIENT_CA: `${files.path}/clients.pem`,
      CLAVIGER_TLS_CLIENT_CRL: `${files.path}/crl.pem`,
    },
    log: (line) => said.push(line),
  });
}

async function write(lists: readonly Promise<string>[]): Promise<void> {
  files.write("crl.pem", (await Promise.all(lists)).join(""));
}

function client(daemon: TestDaemon, issued: Issued): ClavigerClient {
  const { address, token } = daemon;
  return new ClavigerClient({ address, token, tls: { ca: ca.pem, ...issued }, retries: 0 });
}

/** The name of the principal that is let in, or the code and the reason of the refusal. */
async function nameOrRefusal(one: ClavigerClient): Promise<string> {
  try {
    return (await one.principals.whoAmI()).name;
  } catch (error) {
    if (error instanceof ClavigerError) return `${error.code}: ${error.message}`;
    throw error;
  }
}
async function whoIs(daemon: TestDaemon, issued: Issued): Promise<string> {
  using one = client(daemon, issued);
  return await nameOrRefusal(one);
}

const refused = (why: string): unknown =>
  expect.stringMatching(new RegExp(`^client-certificate-refused: .*${why}`));
const NONE: readonly Issued[] = [];

test("a certificate that is in the list of its CA is refused, and no other", async () => {
  await using daemon = await start([clients.revocationList([first]), others.revocationList(NONE)]);
  expect(await whoIs(daemon, first)).toEqual(refused("CERT_REVOKED"));
  expect(await whoIs(daemon, second)).toBe("administrator");
  expect(await whoIs(daemon, other)).toBe("administrator");
  const { serialNumber } = new X509Certificate(first.cert);
  expect(await whoIs(daemon, await others.issueClient({ serialNumber }))).toBe("administrator");
  expect(said.filter((line) => line.includes("tls-client-crl"))).toEqual([]);
});

test("where a list has expired, is not valid yet, is of another, or is missing, every client of its CA is refused", async () => {
  const good = others.revocationList(NONE);
  const forged = (await Authority.create("CN=Client CA")).revocationList(NONE);
  for (const [lists, why, alarm] of [
    [[clients.revocationList(NONE, [-2, -1]), good], "CRL_HAS_EXPIRED", "has expired on"],
    [[clients.revocationList(NONE, [1, 2]), good], "CRL_NOT_YET_VALID", undefined],
    [[forged, good], "CRL_SIGNATURE_FAILURE", undefined],
    [[good], "UNABLE_TO_GET_CRL", "no revocation list of CN=Client CA"],
  ] as const) {
    await using daemon = await start(lists);
    expect(await whoIs(daemon, first)).toEqual(refused(why));
    expect(await whoIs(daemon, other)).toBe("administrator");
    const alarms = said.filter((line) => line.includes("tls-client-crl"));
    expect(alarms).toEqual(alarm === undefined ? [] : [expect.stringContaining(alarm)]);
  }
});

test("a list that is read again holds at once, on connections that are open too, and leaves those of others", async () => {
  await using daemon = await start([clients.revocationList(NONE), others.revocationList(NONE)]);
  using revoked = client(daemon, first);
  using kept = client(daemon, second);
  await revoked.principals.bindCertificate("administrator", undefined);
  expect([await nameOrRefusal(revoked), await nameOrRefusal(kept)]).toEqual([
    "administrator",
    "administrator",
  ]);
  await write([clients.revocationList([first]), others.revocationList(NONE)]);
  daemon.daemon.reloadTls?.();
  for (let i = 0; i < 3; i += 1) {
    expect(await nameOrRefusal(revoked)).not.toBe("administrator");
    expect(await nameOrRefusal(kept)).toBe("administrator");
  }
  expect(await nameOrRefusal(revoked)).toEqual(refused("CERT_REVOKED"));
});

test("a file that holds no list is named when it is read again, and those of before go on", async () => {
  await using daemon = await start([clients.revocationList([first]), others.revocationList(NONE)]);
  for (const damaged of ["", "nothing\n", (await clients.revocationList(NONE)).replace(/\n..../, "\nAAAA")]) {
    said.length = 0;
    files.write("crl.pem", damaged);
    daemon.daemon.reloadTls?.();
    expect(said).toEqual([expect.stringContaining("tls.client_crl names")]);
    expect(await whoIs(daemon, first)).toEqual(refused("CERT_REVOKED"));
    expect(await whoIs(daemon, second)).toBe("administrator");
  }
});
