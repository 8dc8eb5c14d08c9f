import { expect, test } from "vitest";
import type { DatabaseReading } from "./check-database.ts";
import { checkDatabase } from "./check-database.ts";

const socket = {
  host: "/run/postgresql",
  port: 5432,
  database: "keys",
  user: "claviger",
  passwordFile: undefined,
  tls: undefined,
};
const files = { rootCertificate: "ca.pem", certificate: undefined, key: undefined };
const remote = { ...socket, host: "db.example", tls: { mode: "verify-full" as const, ...files } };
const settings = { fsync: "on", full_page_writes: "on", synchronous_commit: "on" };
const good: DatabaseReading = {
  version: "16.4",
  major: 16,
  oldestMajor: 15,
  encoding: "UTF8",
  standby: false,
  settings,
  tls: "TLSv1.3",
  superuser: false,
  mayCreate: true,
  othersTables: 0,
  openToAll: false,
  schema: 6,
  knownSchema: 6,
  rollback: undefined,
  connections: { room: 12, needed: 12 },
  lock: undefined,
};
const lock = { since: "2026-11-25T10:00:00Z", from: "10.0.0.7" };
const restored = { reason: "restored from backup b" };

test("a database that is as it should be has every check once, and all of them are ok", () => {
  for (const address of [socket, { ...socket, host: "127.0.0.1" }, remote]) {
    const findings = checkDatabase(address, good, false);
    expect(findings.map(({ check }) => check)).toEqual([
      "database",
      "database durability",
      "database link",
      "database role",
      "database schema",
      "database connections",
      "database lock",
    ]);
    expect(findings.filter(({ verdict, advice }) => verdict !== "ok" || advice !== null)).toEqual([]);
  }
});

test.for<[what: string, over: object, check: string, verdict: string, found: string]>([
  ["an older server", { major: 14, version: "14.9" }, "database", "broken", "14.9; needed at least: 15"],
  ["another encoding", { encoding: "LATIN1" }, "database", "broken", "LATIN1"],
  ["a standby", { standby: true }, "database", "broken", "standby"],
  ["no fsync", { settings: { ...settings, fsync: "off" } }, "database durability", "broken", "fsync is off"],
  [
    "commits that do not wait for the disk",
    { settings: { ...settings, synchronous_commit: "off" } },
    "database durability",
    "broken",
    "synchronous_commit is off",
  ],
  [
    "half pages after a power failure",
    { settings: { ...settings, full_page_writes: "off" } },
    "database durability",
    "broken",
    "full_page_writes is off",
  ],
  [
    "commits that a standby has applied",
    { settings: { ...settings, synchronous_commit: "remote_apply" } },
    "database durability",
    "ok",
    "on",
  ],
  ["a role that may not make tables", { mayCreate: false }, "database role", "broken", "may not make tables"],
  ["tables of another role", { othersTables: 3 }, "database role", "broken", "3 tables"],
  ["a superuser", { superuser: true }, "database role", "warning", "superuser"],
  ["a database that is open to all roles", { openToAll: true }, "database role", "warning", "every role"],
  ["no tables yet", { schema: undefined }, "database schema", "ok", "first start"],
  ["an older schema", { schema: 5 }, "database schema", "ok", "the next start brings it to 6"],
  ["a newer schema", { schema: 7 }, "database schema", "broken", "newer release"],
  [
    "half a restore",
    { rollback: { ...restored, state: "writing" } },
    "database schema",
    "broken",
    "not complete",
  ],
  [
    "a restore that nobody has accepted",
    { rollback: { ...restored, state: "standing" } },
    "database schema",
    "warning",
    "read-only",
  ],
  [
    "too few connections",
    { connections: { room: 11, needed: 12 } },
    "database connections",
    "broken",
    "room for 11 of a daemon; it makes up to 12",
  ],
  ["another daemon", { lock }, "database lock", "broken", "held from 10.0.0.7 since 2026-11-25T10:00:00Z"],
])("%s is found", ([, over, check, verdict, found]) => {
  const findings = checkDatabase(socket, { ...good, ...over }, false);
  expect(findings.filter((one) => one.verdict !== "ok").length).toBe(verdict === "ok" ? 0 : 1);
  expect(findings.find((one) => one.check === check)).toMatchObject({
    verdict,
    found: expect.stringContaining(found) as string,
  });
});

test("the lock is held while a daemon runs here, and not being held is found then", () => {
  const verdictOf = (held: typeof lock | undefined) =>
    checkDatabase(socket, { ...good, lock: held }, true).find(({ check }) => check === "database lock")
      ?.verdict;
  expect([verdictOf(lock), verdictOf(undefined)]).toEqual(["ok", "broken"]);
});

test("a link that somebody could read or answer on is found", () => {
  const linkOf = (address: typeof socket | typeof remote, tls = good.tls) =>
    checkDatabase(address, { ...good, tls }, false).find(({ check }) => check === "database link");
  expect(linkOf({ ...socket, host: "db.example" })).toMatchObject({ verdict: "broken" });
  expect(linkOf(remote, null)).toMatchObject({
    verdict: "warning",
    found: expect.stringContaining("TLS ends in front of the server") as string,
  });
  const weaker = { ...remote, tls: { ...remote.tls, mode: "verify-ca" as const } };
  expect(checkDatabase(weaker, good, false).map(({ verdict }) => verdict)).toContain("warning");
});
