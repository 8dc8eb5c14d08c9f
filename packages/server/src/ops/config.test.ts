import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Failure } from "../core/errors.ts";
import { readConfig, readConfigFile } from "./config.ts";
import type { Environment } from "./config.ts";

const CWD = "/srv/here";
const VP = "0123456789abcdef0123456789abcdef";

const read = (env: Environment, files: Readonly<Record<string, string>> = {}) =>
  readConfig(env, CWD, (path) => files[path]);

test("without anything, it is the evaluation default: a folder here, loopback, info", () => {
  expect(read({ PATH: "/bin" })).toEqual({
    dataFolder: "/srv/here/claviger-data",
    backupFolder: "/srv/here/claviger-data/backups",
    listen: { host: "127.0.0.1", port: 8440 },
    logLevel: "info",
    expectedVps: {},
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
    expectedVps: { default: [VP, `${VP}00`], other: ["f".repeat(64)] },
  });
});

test("CLAVIGER_CONFIG names the file; its data folder is taken from the folder of the file", () => {
  const files = { "/etc/claviger/main.toml": 'data = "../../var/claviger"' };
  expect(read({ CLAVIGER_CONFIG: "/etc/claviger/main.toml" }, files).dataFolder).toBe("/var/claviger");
  expect(read({ CLAVIGER_CONFIG: "../../etc/claviger/main.toml" }, files).dataFolder).toBe("/var/claviger");
  const env = { CLAVIGER_CONFIG: "/etc/claviger/main.toml", CLAVIGER_DATA: "mine" };
  expect(read(env, files).dataFolder).toBe("/srv/here/mine");
});

test("variables of the CLI and of the tests may stand in the same environment", () => {
  const env = {
    CLAVIGER_TOKEN: "t",
    CLAVIGER_TOKEN_FILE: "f",
    CLAVIGER_ADDR: "a",
    CLAVIGER_TEST_WITHOUT: "softhsm2",
  };
  expect(() => read(env)).not.toThrow();
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
  ["an unknown table", {}, "[tls]\ncert = 'x'", "tls"],
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
])("refuses %s, and names it", ([, env, file, field]) => {
  const failure = refusalOf(() => read(env, file === undefined ? {} : { [FILE]: file }));
  expect([failure.code, failure.field]).toEqual(["config-invalid", field]);
  expect(failure.message).toContain(field);
});

test.for([
  "0.0.0.0:8440",
  "192.168.1.5:8440",
  "[::]:8440",
  "[fe80::1]:8440",
  "example.org:8440",
  "128.0.0.1:1",
  "127.1:1",
  "localhost.evil:1",
])("does not listen on %s, because there is no TLS yet", (address) => {
  const failure = refusalOf(() => read({ CLAVIGER_LISTEN: address }));
  expect(failure.code).toBe("config-invalid");
  expect(failure.message).toContain("no TLS yet");
});

test.for(["127.0.0.1:1", "127.8.9.10:65535", "[::1]:8440", "[0:0:0:0:0:0:0:1]:8440", "LOCALHOST:8440"])(
  "listens on %s",
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
