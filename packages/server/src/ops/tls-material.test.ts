import { X509Certificate, createPrivateKey } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Authority, PemFolder } from "../../../../test/tls/certificates.ts";
import type { Issued } from "../../../../test/tls/certificates.ts";
import { Failure } from "../core/errors.ts";
import { SecretBytes } from "../core/secret/secret-bytes.ts";
import type { TlsFiles } from "./config.ts";
import { listsOutOfValidity, loadTlsMaterial, outOfValidity } from "./tls-material.ts";

const folder = new PemFolder();
let ca: Authority;
let own: Issued;
let files: TlsFiles;

beforeAll(async () => {
  ca = await Authority.create("CN=CA");
  own = await ca.issueServer();
  files = { cert: folder.write("cert.pem", own.cert + ca.pem), key: folder.write("key.pem", own.key) };
});
afterAll(() => folder[Symbol.dispose]());

const secret = (text: string): SecretBytes => new SecretBytes(Uint8Array.from(Buffer.from(text)));

test("takes a certificate, its chain and its key, and the CAs of clients where there are some", () => {
  expect(loadTlsMaterial(files).material).toEqual({ cert: own.cert + ca.pem, key: own.key });
  const clientCa = folder.write("ca.pem", ca.pem);
  expect(loadTlsMaterial({ ...files, clientCa }).material.ca).toBe(ca.pem);
});

test("opens an encrypted key with its passphrase, and with no other", () => {
  const pem = createPrivateKey(own.key).export({
    type: "pkcs8",
    format: "pem",
    cipher: "aes-256-cbc",
    passphrase: "hunter2",
  });
  const encrypted = { ...files, key: folder.write("encrypted.pem", String(pem)) };
  const opened = loadTlsMaterial({ ...encrypted, keyPassphrase: secret("hunter2") });
  expect(opened.material.passphrase).toBe("hunter2");
  expect(refusal(encrypted)).toMatch(/^tls\.key .* is encrypted: give tls\.key_passphrase/);
  expect(refusal({ ...encrypted, keyPassphrase: secret("hunter3") })).toMatch(/is not opened by/);
});

test.for<[string, () => Promise<Partial<TlsFiles>> | Partial<TlsFiles>, RegExp]>([
  ["a certificate that is not there", () => ({ cert: "/nowhere.pem" }), /^tls\.cert .* is not there/],
  ["a folder for a certificate", () => ({ cert: folder.path }), /^tls\.cert .* cannot be read \(EISDIR\)/],
  ["a key for a certificate", () => ({ cert: files.key }), /^tls\.cert .* does not hold a certificate/],
  [
    "a damaged certificate",
    () => ({ cert: folder.write("bad.pem", own.cert.replace(/\n..../, "\nAAAA")) }),
    /^tls\.cert .* does not hold a certificate/,
  ],
  ["a certificate for a key", () => ({ key: folder.write("c.pem", own.cert) }), /^tls\.key .* a private key/],
  [
    "the key of another certificate",
    async () => ({ key: folder.write("other.pem", (await ca.issueServer()).key) }),
    /^tls\.key .* is not the key of the certificate/,
  ],
  [
    "a key that everybody may read",
    () => ({ key: folder.write("open.pem", own.key, 0o604) }),
    /^tls\.key .* every user may read \(mode 604\): chmod/,
  ],
  [
    "CAs that are none",
    () => ({ clientCa: folder.write("none.pem", "x") }),
    /^tls\.client_ca .* certificate/,
  ],
  [
    "revocation lists that are none",
    () => ({ clientCrl: folder.write("none.pem", own.cert) }),
    /^tls\.client_crl .* a revocation list/,
  ],
])("refuses %s, and names it", async ([, change, complaint]) => {
  expect(refusal({ ...files, ...(await change()) })).toMatch(complaint);
});

test("takes revocation lists, and tells when the first of them ends and whose is missing", async () => {
  const other = await Authority.create("CN=Other CA, O=Shop");
  const revoked = await ca.issueClient();
  const clientCa = folder.write("cas.pem", `${ca.pem}\n${other.pem}\n`);
  const now = new Date();
  const loaded = async (...lists: readonly Promise<string>[]) => {
    const clientCrl = folder.write("crl.pem", (await Promise.all(lists)).join(""));
    return loadTlsMaterial({ ...files, clientCa, clientCrl });
  };
  const both = await loaded(ca.revocationList([revoked]), other.revocationList([], [-1, 5]));
  expect(both.material.crl).toHaveLength(2);
  const twin = await other.issueClient({ serialNumber: new X509Certificate(revoked.cert).serialNumber });
  const isRevoked = ({ cert }: Issued) => both.material.isRevoked?.(new X509Certificate(cert));
  expect([revoked, await ca.issueClient(), twin].map(isRevoked)).toEqual([true, false, false]);
  expect(listsOutOfValidity(both, now)).toBeUndefined();
  expect(listsOutOfValidity(both, new Date(now.getTime() + 6 * 3_600_000))).toMatch(/has expired/);
  const one = await loaded(ca.revocationList([]));
  expect(listsOutOfValidity(one, now)).toBe(
    "there is no revocation list of CN=Other CA, O=Shop: its clients are refused",
  );
  expect(listsOutOfValidity(await loaded(ca.revocationList([], [-2, -1])), now)).toMatch(/has expired/);
  expect(listsOutOfValidity(loadTlsMaterial({ ...files, clientCa }), now)).toBeUndefined();
});

test("a certificate outside its validity is taken, and can be told", async () => {
  const now = new Date();
  const loaded = async (validHours: readonly [number, number]) => {
    const { cert, key } = await ca.issueServer({ validHours });
    return loadTlsMaterial({ cert: folder.write("v.pem", cert), key: folder.write("v.key", key) });
  };
  expect(outOfValidity(await loaded([-1, 1]), now)).toBeUndefined();
  expect(outOfValidity(await loaded([-2, -1]), now)).toMatch(/expired/);
  expect(outOfValidity(await loaded([1, 2]), now)).toMatch(/not valid before/);
});

function refusal(wrong: TlsFiles): string {
  try {
    loadTlsMaterial(wrong);
  } catch (error) {
    if (error instanceof Failure && error.code === "config-invalid") return error.message;
    throw error;
  }
  return "nothing was refused";
}
