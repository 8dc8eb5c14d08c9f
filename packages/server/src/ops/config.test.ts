import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Failure } from "../core/errors.ts";
import { reveal } from "../core/secret/secret-bytes.ts";
import { explainConfig, readConfig, readConfigFile } from "./config.ts";
import type { Environment, Flags } from "./config-sources.ts";

const CWD = "/srv/here";
const VP = "0123456789abcdef0123456789abcdef";

type Files = Readonly<Record<string, string>>;
const read = (env: Environment, files: Files = {}, flags: Flags = {}) =>
  readConfig(env, CWD, (path) => files[path], flags);
const explain = (env: Environment, files: Files = {}, flags: Flags = {}) =>
  explainConfig(env, CWD, (path) => files[path], flags);
const noTokens = (dataFolder: string) => ({
  modules: [],
  pinFolder: `${dataFolder}/pins`,
  units: new Map(),
  clonable: [],
  environment: {},
  libraryParameters: new Map(),
});

test("without anything, it is the evaluation default: a folder here, loopback, info", () => {
  expect(read({ PATH: "/bin" })).toEqual({
    dataFolder: "/srv/here/claviger-data",
    backupFolder: "/srv/here/claviger-data/backups",
    listen: { host: "127.0.0.1", port: 8440 },
    logLevel: "info",
    store: undefined,
    expectedVps: {},
    pkcs11: noTokens("/srv/here/claviger-data"),
  });
});

test("backups go where the file or the environment says, taken from the folder of the file or the working directory", () => {
  const files = { "/data/claviger.toml": `backups = "../elsewhere"` };
  expect(read({ CLAVIGER_DATA: "/data" }, files).backupFolder).toBe("/elsewhere");
  expect(read({ CLAVIGER_DATA: "/data", CLAVIGER_BACKUPS: "mine" }, files).backupFolder).toBe(
    "/srv/here/mine",
  );
});

test("the file in the data folder overrides the defaults, and the environment overrides the file", () => {
  const files = {
    "/data/claviger.toml": `listen = "[::1]:9000"\nlog_level = "warn"\n[expected_vps]\ndefault = ["${VP.toUpperCase()}"]\n`,
  };
  expect(read({ CLAVIGER_DATA: "/data" }, files)).toEqual({
    dataFolder: "/data",
    backupFolder: "/data/backups",
    listen: { host: "::1", port: 9000 },
    logLevel: "warn",
    expectedVps: { default: [VP] },
    pkcs11: noTokens("/data"),
  });
  const env = {
    CLAVIGER_DATA: "/data",
    CLAVIGER_LISTEN: "localhost:0",
    CLAVIGER_LOG_LEVEL: "debug",
    CLAVIGER_EXPECTED_VPS: `default=${VP},${VP}00; other=${"f".repeat(64)}`,
  };
  expect(read(env, files)).toEqual({
    dataFolder: "/data",
    backupFolder: "/data/backups",
    listen: { host: "localhost", port: 0 },
    logLevel: "debug",
    store: undefined,
    expectedVps: { default: [VP, `${VP}00`], other: ["f".repeat(64)] },
    pkcs11: noTokens("/data"),
  });
});

test("CLAVIGER_CONFIG names the file; its data folder is taken from the folder of the file", () => {
  const files = { "/etc/claviger/main.toml": 'data = "../../var/claviger"' };
  expect(read({ CLAVIGER_CONFIG: "/etc/claviger/main.toml" }, files).dataFolder).toBe("/var/claviger");
  expect(read({ CLAVIGER_CONFIG: "../../etc/claviger/main.toml" }, files).dataFolder).toBe("/var/claviger");
  const env = { CLAVIGER_CONFIG: "/etc/claviger/main.toml", CLAVIGER_DATA: "mine" };
  expect(read(env, files).dataFolder).toBe("/srv/here/mine");
});

test("flags override the environment", () => {
  const env = { CLAVIGER_DATA: "/data", CLAVIGER_LISTEN: "127.0.0.1:1", CLAVIGER_LOG_LEVEL: "warn" };
  expect(read(env, {}, { listen: "127.0.0.1:2", data: "mine" })).toEqual({
    dataFolder: "/srv/here/mine",
    backupFolder: "/srv/here/mine/backups",
    listen: { host: "127.0.0.1", port: 2 },
    logLevel: "warn",
    expectedVps: {},
    pkcs11: noTokens("/srv/here/mine"),
  });
});

test("the file is looked for in the data folder that a flag names, and --config names another one", () => {
  const files = {
    "/a/claviger.toml": "log_level = 'debug'",
    "/b.toml": "log_level = 'error'\ndata = 'of-b'",
  };
  expect(read({ CLAVIGER_DATA: "/nowhere" }, files, { data: "/a" }).logLevel).toBe("debug");
  expect(read({ CLAVIGER_CONFIG: "/a/claviger.toml" }, files, { config: "/b.toml" })).toMatchObject({
    logLevel: "error",
    dataFolder: "/of-b",
  });
});

test("the files of TLS are paths: in the file from its folder, elsewhere from the working directory", () => {
  const files = { "/etc/c/claviger.toml": "[tls]\ncert = 'server.pem'\nkey = '/keys/server.key'\n" };
  const env = { CLAVIGER_CONFIG: "/etc/c/claviger.toml", CLAVIGER_TLS_CLIENT_CA: "clients.pem" };
  expect(read(env, files).tls).toEqual({
    cert: "/etc/c/server.pem",
    key: "/keys/server.key",
    clientCa: "/srv/here/clients.pem",
  });
  expect(read({}, {}).tls).toBeUndefined();
});

const TLS = { CLAVIGER_TLS_CERT: "/c.pem", CLAVIGER_TLS_KEY: "/k.pem" };
const passphraseOf = (env: Environment, files: Files = {}, flags: Flags = {}): string => {
  const secret = read({ ...TLS, ...env }, files, flags).tls?.keyPassphrase;
  if (secret === undefined) throw new Error("there is no passphrase");
  return Buffer.from(reveal(secret)).toString();
};

test("a secret comes from the environment, or from a file that a variable, the TOML file or a flag names", () => {
  const files = {
    "/run/one": "first\n",
    "/srv/here/two": "second",
    "/t.toml": "tls.key_passphrase_file = 'run/one'",
  };
  expect(passphraseOf({ CLAVIGER_TLS_KEY_PASSPHRASE: "direct" })).toBe("direct");
  expect(passphraseOf({ CLAVIGER_TLS_KEY_PASSPHRASE_FILE: "/run/one" }, files)).toBe("first");
  expect(passphraseOf({ CLAVIGER_CONFIG: "/t.toml" }, files)).toBe("first");
  expect(
    passphraseOf({ CLAVIGER_TLS_KEY_PASSPHRASE: "direct" }, files, { "tls.key_passphrase": "two" }),
  ).toBe("second");
});

test("a secret that is given twice, or whose file is missing or empty, is refused", () => {
  const name = "CLAVIGER_TLS_KEY_PASSPHRASE";
  const both = { ...TLS, [name]: "a", [`${name}_FILE`]: "/f" };
  expect(refusalOf(() => read(both, { "/f": "b" })).field).toBe(name);
  const named = { ...TLS, [`${name}_FILE`]: "/f" };
  expect(refusalOf(() => read(named)).message).toContain("/f, which is not there");
  expect(refusalOf(() => read(named, { "/f": "\n" })).message).toContain("/f, which is empty");
  expect(refusalOf(() => read(TLS, { [FILE]: "tls.key_passphrase = 'x'" })).field).toBe("tls.key_passphrase");
});

test("print shows every key with its value and its source", () => {
  const files = { [FILE]: `log_level = "warn"\n[expected_vps]\ndefault = ["${VP.toUpperCase()}"]\n` };
  const { path, entries } = explain({ CLAVIGER_LISTEN: "[::1]:1" }, files, {
    "tls.cert": "c",
    "tls.key": "k",
  });
  expect(path).toBe(FILE);
  expect(Object.fromEntries(entries.map(({ key, value, source }) => [key, [value, source]]))).toEqual({
    data: ["/srv/here/claviger-data", "default"],
    listen: ["[::1]:1", "environment"],
    backups: [null, null],
    log_level: ["warn", "file"],
    store: [null, null],
    store_password_file: [null, null],
    expected_vps: [{ default: [VP] }, "file"],
    requests_per_second: [null, null],
    "oidc.issuer": [null, null],
    "oidc.client_id": [null, null],
    "oidc.audience": [null, null],
    "oidc.token_hours": [8, "default"],
    "tls.cert": ["/srv/here/c", "flag"],
    "tls.key": ["/srv/here/k", "flag"],
    "tls.key_passphrase": [null, null],
    "tls.client_ca": [null, null],
    "tls.client_crl": [null, null],
    "pkcs11.modules": [null, null],
    "pkcs11.pins": [null, null],
    "pkcs11.units": [null, null],
    "pkcs11.clonable": [null, null],
    "pkcs11.hosts": [null, null],
    "pkcs11.environment": [["SOFTHSM2_CONF"], "default"],
    "pkcs11.library_parameters": [null, null],
  });
});

test("an issuer needs its client, and is https or on loopback, without anything behind the path", () => {
  const oidc = (issuer: string) => ({ CLAVIGER_OIDC_ISSUER: issuer, CLAVIGER_OIDC_CLIENT_ID: "cli" });
  for (const issuer of ["https://id.example.org", "https://id.example.org/realms/a/", "http://[::1]:9000"])
    expect(read({ ...oidc(issuer), CLAVIGER_OIDC_TOKEN_HOURS: "2" }).oidc).toEqual({
      issuer,
      clientId: "cli",
      audience: undefined,
      tokenMs: 7_200_000,
    });
  for (const issuer of [
    "http://id.example.org",
    "id.example.org",
    "file:///etc/passwd",
    "https://id.example.org/?tenant=a",
    "https://user:hunter2@id.example.org",
    "https://id.example.org/#a",
  ])
    expect(refusalOf(() => read(oidc(issuer))).field, issuer).toBe("CLAVIGER_OIDC_ISSUER");
  const alone = { CLAVIGER_OIDC_ISSUER: "https://id.example.org" };
  expect(refusalOf(() => read(alone)).field).toBe("CLAVIGER_OIDC_ISSUER");
  for (const hours of ["0", "721", "8h", "1.5"])
    expect(refusalOf(() => read({ ...oidc("https://a.b"), CLAVIGER_OIDC_TOKEN_HOURS: hours })).code).toBe(
      "config-invalid",
    );
});

test("the requests of a principal are a whole number, in the file as a number or as text", () => {
  expect(read({ CLAVIGER_REQUESTS_PER_SECOND: "50" }).requestsPerSecond).toBe(50);
  expect(read({}, { [FILE]: "requests_per_second = 50" }).requestsPerSecond).toBe(50);
  for (const value of ["0", "1000001", "1.5", "1e3", "-1"])
    expect(refusalOf(() => read({ CLAVIGER_REQUESTS_PER_SECOND: value })).field).toBe(
      "CLAVIGER_REQUESTS_PER_SECOND",
    );
});

test("print shows no secret", () => {
  const printed = JSON.stringify(explain({ ...TLS, CLAVIGER_TLS_KEY_PASSPHRASE: "hunter2" }));
  expect(printed).toContain('"[secret]"');
  expect(printed).not.toContain("hunter");
});

test("print refuses what a start would refuse", () => {
  expect(refusalOf(() => explain({ CLAVIGER_LISTEN: "0.0.0.0:1" })).field).toBe("CLAVIGER_LISTEN");
});

test.for([
  ["CLAVIGER_LISTN", { CLAVIGER_LISTN: "x" }, undefined, "CLAVIGER_LISTEN"],
  ["listn", {}, "listn = 'x'", "listen"],
  ["tls.certificate", {}, "[tls]\ncertificate = 'x'", "tls.cert"],
  ["tsl.key", {}, "[tsl]\nkey = 'x'", "tls.key"],
] as const)("an unknown %s comes with the nearest known one", ([unknown, env, file, nearest]) => {
  const { field, message } = refusalOf(() => read(env, file === undefined ? {} : { [FILE]: file }));
  expect(field).toBe(unknown);
  expect(message).toContain(`the nearest is ${nearest}.`);
});

test("variables of the CLI and of the tests may stand in the same environment", () => {
  const env = {
    CLAVIGER_TOKEN: "t",
    CLAVIGER_TOKEN_FILE: "f",
    CLAVIGER_ADDR: "a",
    CLAVIGER_CA: "c",
    CLAVIGER_CLIENT_CERT: "c",
    CLAVIGER_CLIENT_KEY: "k",
    CLAVIGER_TEST_WITHOUT: "softhsm2",
  };
  expect(() => read(env)).not.toThrow();
});

const SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so";
const TOKEN = `pkcs11:token=claviger?module-path=${SOFTHSM}&pin-source=file:/pins/a`;

test("tokens: what requests may name, what the configuration names, and what modules see", () => {
  const files = {
    "/etc/c.toml": `[pkcs11]
      modules = ["${SOFTHSM}", "local/libpkcs11.so"]
      pins = "pins"
      environment = ["SOFTHSM2_CONF", "ABSENT", "OCK_HOME"]
      clonable = ["02.0001"]
      hosts = 12
      [pkcs11.units]
      "02.0001" = "${TOKEN}"
      [pkcs11.library_parameters]
      "nss/libsoftokn3.so" = "configdir='sql:/db'"`,
  };
  const env = { CLAVIGER_CONFIG: "/etc/c.toml", SOFTHSM2_CONF: "/etc/s.conf", OCK_HOME: "/o", SECRET: "no" };
  expect(read(env, files).pkcs11).toEqual({
    modules: [SOFTHSM, "/etc/local/libpkcs11.so"],
    pinFolder: "/etc/pins",
    units: new Map([["02.0001", TOKEN]]),
    clonable: ["02.0001"],
    hosts: 12,
    environment: { SOFTHSM2_CONF: "/etc/s.conf", OCK_HOME: "/o" },
    libraryParameters: new Map([["/etc/nss/libsoftokn3.so", "configdir='sql:/db'"]]),
  });
});

test("lists and tables of tokens are in variables and flags as TOML has them", () => {
  const env = { CLAVIGER_PKCS11_MODULES: `["${SOFTHSM}"]`, SOFTHSM2_CONF: "/etc/s.conf" };
  const { modules, units, environment } = read(
    env,
    {},
    { "pkcs11.units": `{ "02.0001" = "${TOKEN}" }` },
  ).pkcs11;
  expect(modules).toEqual([SOFTHSM]);
  expect([...units]).toEqual([["02.0001", TOKEN]]);
  expect(environment).toEqual({ SOFTHSM2_CONF: "/etc/s.conf" });
});

test("a group has no expected patterns by way of Object.prototype", () => {
  expect(read({}).expectedVps["constructor"]).toBeUndefined();
});

const FILE = "/srv/here/claviger-data/claviger.toml";
test.for<[string, Environment, string | undefined, string]>([
  ["an unknown variable", { CLAVIGER_LISTN: "127.0.0.1:1" }, undefined, "CLAVIGER_LISTN"],
  ["an empty variable", { CLAVIGER_DATA: "" }, undefined, "CLAVIGER_DATA"],
  ["a file that is named and not there", { CLAVIGER_CONFIG: "nowhere.toml" }, undefined, "CLAVIGER_CONFIG"],
  ["a file that is not TOML", {}, "listen = ", FILE],
  ["an unknown entry", {}, "listn = 'x'", "listn"],
  ["an unknown table", {}, "[tsl]\ncert = 'x'", "tsl.cert"],
  ["an unknown table without entries", {}, "[tsl]", "tsl"],
  ["an entry where there is a table", {}, "tls = 'x'", "tls"],
  ["a certificate without its key", {}, "tls.cert = 'x'", "tls.cert"],
  ["a key without its certificate", { CLAVIGER_TLS_KEY: "x" }, undefined, "CLAVIGER_TLS_KEY"],
  ["CAs for clients without TLS", {}, "tls.client_ca = 'x'", "tls.client_ca"],
  ["revocation lists without TLS", {}, "tls.client_crl = 'x'", "tls.client_crl"],
  ["revocation lists without CAs", TLS, "tls.client_crl = 'x'", "tls.client_crl"],
  [
    "a passphrase without TLS",
    { CLAVIGER_TLS_KEY_PASSPHRASE: "x" },
    undefined,
    "CLAVIGER_TLS_KEY_PASSPHRASE",
  ],
  ["an entry of a wrong type", {}, "listen = 8440", "listen"],
  ["an empty entry", {}, "log_level = ''", "log_level"],
  ["a data folder stated in the data folder", {}, "data = '/elsewhere'", "data"],
  ["a log level that is none", { CLAVIGER_LOG_LEVEL: "verbose" }, undefined, "CLAVIGER_LOG_LEVEL"],
  ["an address without port", { CLAVIGER_LISTEN: "127.0.0.1" }, undefined, "CLAVIGER_LISTEN"],
  ["an address without host", { CLAVIGER_LISTEN: ":8440" }, undefined, "CLAVIGER_LISTEN"],
  ["a port out of range", { CLAVIGER_LISTEN: "127.0.0.1:65536" }, undefined, "CLAVIGER_LISTEN"],
  ["a port that is no number", { CLAVIGER_LISTEN: "127.0.0.1:http" }, undefined, "CLAVIGER_LISTEN"],
  [
    "a pattern that is too short",
    { CLAVIGER_EXPECTED_VPS: "default=0123" },
    undefined,
    "CLAVIGER_EXPECTED_VPS",
  ],
  [
    "a pattern that is too long",
    {},
    `[expected_vps]\ndefault = ["${"0".repeat(65)}"]`,
    "expected_vps.default",
  ],
  [
    "a pattern that is not hex",
    {},
    `[expected_vps]\ndefault = ["${"x".repeat(32)}"]`,
    "expected_vps.default",
  ],
  ["a pattern outside a list", {}, `[expected_vps]\ndefault = "${VP}"`, "expected_vps.default"],
  ["an empty list of patterns", {}, "[expected_vps]\ndefault = []", "expected_vps.default"],
  ["patterns without a group", { CLAVIGER_EXPECTED_VPS: VP }, undefined, "CLAVIGER_EXPECTED_VPS"],
  [
    "a group that is given twice",
    { CLAVIGER_EXPECTED_VPS: `a=${VP};a=${VP}` },
    undefined,
    "CLAVIGER_EXPECTED_VPS",
  ],
  ["a group that is no name", {}, `[expected_vps]\n"__proto__" = ["${VP}"]`, "expected_vps.__proto__"],
  ["expected patterns that are no table", {}, "expected_vps = 2026-01-01", "expected_vps"],
  ["modules that are no list", {}, `pkcs11.modules = { a = "${SOFTHSM}" }`, "pkcs11.modules"],
  ["copies from what is no token", {}, 'pkcs11.clonable = ["02.0001"]', "pkcs11.clonable"],
  ["copies from what is no address", {}, 'pkcs11.clonable = ["2.1"]', "pkcs11.clonable"],
  ["more unit hosts than are allowed", {}, "pkcs11.hosts = 65", "pkcs11.hosts"],
  ["a module without a path", {}, 'pkcs11.modules = [""]', "pkcs11.modules"],
  ["modules that are no TOML", { CLAVIGER_PKCS11_MODULES: SOFTHSM }, undefined, "CLAVIGER_PKCS11_MODULES"],
  [
    "a variable with another entry behind its value",
    { CLAVIGER_PKCS11_MODULES: `["${SOFTHSM}"]\nx = 1` },
    undefined,
    "CLAVIGER_PKCS11_MODULES",
  ],
  ["a token at an address that is none", {}, `pkcs11.units = { "2.1" = "${TOKEN}" }`, "pkcs11.units.2.1"],
  ["tokens that are no table", {}, "pkcs11.units = 2026-01-01", "pkcs11.units"],
  ["a token that is no URI", {}, `pkcs11.units = { "02.0001" = "${SOFTHSM}" }`, "pkcs11.units.02.0001"],
  [
    "a PIN in the configuration",
    {},
    `pkcs11.units = { "02.0001" = "${TOKEN}&pin-value=1234" }`,
    "pkcs11.units.02.0001",
  ],
  [
    "a variable of Claviger for modules",
    {},
    'pkcs11.environment = ["CLAVIGER_TLS_KEY_PASSPHRASE"]',
    "pkcs11.environment",
  ],
  ["parameters that are no text", {}, "pkcs11.library_parameters = { a = 1 }", "pkcs11.library_parameters"],
])("refuses %s, and names it", ([, env, file, field]) => {
  const failure = refusalOf(() => read(env, file === undefined ? {} : { [FILE]: file }));
  expect([failure.code, failure.field]).toEqual(["config-invalid", field]);
  expect(failure.message).toContain(field);
});

const ELSEWHERE = [
  "0.0.0.0:8440",
  "192.168.1.5:8440",
  "[::]:8440",
  "[fe80::1]:8440",
  "example.org:8440",
  "128.0.0.1:1",
  "127.1:1",
  "localhost.evil:1",
];

test.for(ELSEWHERE)("does not listen on %s without TLS", (address) => {
  const failure = refusalOf(() => read({ CLAVIGER_LISTEN: address }));
  expect([failure.code, failure.field]).toEqual(["config-invalid", "CLAVIGER_LISTEN"]);
  expect(failure.message).toContain("there is no TLS");
});

test.for(ELSEWHERE)("listens on %s with TLS", (address) => {
  expect(() => read({ ...TLS, CLAVIGER_LISTEN: address })).not.toThrow();
});

test.for(["127.0.0.1:1", "127.8.9.10:65535", "[::1]:8440", "[0:0:0:0:0:0:0:1]:8440", "LOCALHOST:8440"])(
  "listens on %s without TLS",
  (address) => {
    expect(() => read({ CLAVIGER_LISTEN: address })).not.toThrow();
  },
);

test("readConfigFile tells a file that is not there from one that cannot be read", () => {
  const folder = mkdtempSync(join(tmpdir(), "claviger-config-"));
  const path = join(folder, "claviger.toml");
  expect(readConfigFile(path)).toBeUndefined();
  writeFileSync(path, "listen = '127.0.0.1:1'");
  expect(readConfigFile(path)).toBe("listen = '127.0.0.1:1'");
  expect(readConfigFile(join(path, "below"))).toBeUndefined();
  chmodSync(folder, 0o700);
  expect(refusalOf(() => readConfigFile(folder)).code).toBe("config-invalid");
});

function refusalOf(action: () => unknown): Failure {
  try {
    action();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}
