import { sign } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { auditKeysOfPem, entryText, introductionBytes, parseHead, verifyExport } from "@claviger/audit";
import type { KeyIntroduction, Verification } from "@claviger/audit";
import { ClavigerClient } from "@claviger/sdk";
import { afterAll, describe, expect, test } from "vitest";
import { AuditDatabase } from "../../packages/server/src/audit/audit-database.ts";
import { exportPage } from "../../packages/server/src/audit/export-log.ts";
import { verifyLog } from "../../packages/server/src/audit/verify-log.ts";
import { startVictim } from "../crash/run-point.ts";
import { administrator, startService } from "../crash/service.ts";
import { Templates } from "../crash/templates.ts";
import type { TestDaemon } from "../daemon.ts";
import { startTestDaemon } from "../daemon.ts";
import { SCRATCH } from "../model/scratch.ts";
import type { TestKey } from "./example-log.ts";
import { newTestKey, signedHead } from "./example-log.ts";

const root = mkdtempSync(join(SCRATCH, "claviger-rotation-"));
const templates = new Templates(1);
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
  templates[Symbol.dispose]();
});

async function* texts(...parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part, "utf8");
}

async function exported(client: ClavigerClient): Promise<string> {
  return (await Array.fromAsync(client.audit.export())).join("");
}

/** Verifies with these public keys and nothing else. */
function verifiedWith(pems: readonly string[], ...files: readonly string[]): Promise<Verification> {
  return verifyExport(texts(...files), { trusted: auditKeysOfPem(pems.join("")) });
}

const archives = (folder: string): string[] => {
  const archive = join(folder, "audit", "archive");
  return readdirSync(archive)
    .toSorted()
    .map((name) => readFileSync(join(archive, name), "utf8"));
};

describe("a log whose key was rotated", () => {
  async function rotate(client: ClavigerClient): Promise<void> {
    await client.projects.create({ name: `project-${Math.random().toString(36).slice(2)}` });
    const { signs } = await client.audit.rotateKey();
    expect(signs).toBe(true);
  }

  test("is verified over three rotations and a start by whoever has the first public key", async () => {
    const folder = join(root, "three");
    const open = async (): Promise<TestDaemon> => startTestDaemon({ folder });
    {
      await using daemon = await open();
      using client = new ClavigerClient(daemon);
      await rotate(client);
      await rotate(client);
    }
    await using daemon = await open();
    using client = new ClavigerClient(daemon);
    await rotate(client);
    const keys = await client.audit.keys();
    expect(keys.map(({ signs }) => signs)).toEqual([false, false, false, true]);
    expect(readFileSync(join(folder, "audit", "audit-keys.pem"), "utf8")).toBe(
      keys.map(({ pem }) => pem).join(""),
    );
    const [first] = keys;
    const log = await exported(client);
    const found = await verifiedWith([first?.pem ?? ""], log);
    expect(found.faults).toEqual([]);
    expect(found.unsigned).toBe(0);
    expect(found.signedBy).toEqual(keys.map(({ fingerprint }) => fingerprint));
    expect((await verifyExport(texts(log))).faults).toEqual([]);
    expect(await client.audit.verify()).toMatchObject({ verified: true });
    // Whoever knows only a later one cannot tell who signed before it.
    const { faults } = await verifiedWith([keys[1]?.pem ?? ""], log);
    expect(new Set(faults.map(({ what }) => what))).toEqual(new Set(["key-untrusted"]));

    const rotations = await Array.fromAsync(client.audit.all({ operation: "rotateAuditKey" }));
    expect(rotations.map(({ subject, principal }) => [subject, principal])).toEqual(
      keys
        .slice(1)
        .toReversed()
        .map(({ fingerprint }) => [fingerprint, "administrator"]),
    );
  });

  test("is verified across archives, one behind the other, and an export behind them", async () => {
    const folder = join(root, "archived");
    await using daemon = await startTestDaemon({ folder });
    using client = new ClavigerClient(daemon);
    await rotate(client);
    expect((await client.audit.archive()).records).toBeGreaterThan(0);
    await rotate(client);
    await client.audit.archive();
    await rotate(client);
    const keys = await client.audit.keys();
    const files = [...archives(folder), await exported(client)];
    expect(files).toHaveLength(3);
    const found = await verifiedWith([keys[0]?.pem ?? ""], ...files);
    expect(found.faults).toEqual([]);
    expect(found.signedBy).toHaveLength(4);
    expect(found.chains).toHaveLength(1);
    // The end alone, by whoever has all of the keys.
    const pems = keys.map(({ pem }) => pem);
    expect((await verifiedWith(pems, files[2] ?? "")).faults).toEqual([]);
    expect((await verifyExport(texts(files[2] ?? ""))).faults).toEqual([]);
    // Without the one in between.
    const gap = await verifiedWith(pems, files[0] ?? "", files[2] ?? "");
    expect(gap.faults.map(({ what }) => what)).toContain("chain-fork");
  });

  test("goes on where a crash has left it, with one key more or with none", async () => {
    for (const [moment, keysAfter] of [
      ["before", 1],
      ["after", 2],
    ] as const) {
      const run = await templates.copy("base");
      const victim = await startVictim(templates, [run.folder, "store.addAuditKey", moment, "1"]);
      const client = administrator({ url: (await victim.url) ?? "", folder: run.folder }, 0);
      const [first] = await client.audit.keys();
      await client.audit.rotateKey().catch(() => undefined);
      expect((await victim.gone).signal).toBe("SIGKILL");
      client.close();
      await using service = await startService(run.folder);
      using auditor = administrator(service, 0);
      const found = await verifiedWith([first?.pem ?? ""], await exported(auditor));
      expect(found.faults).toEqual([]);
      expect((await auditor.audit.keys()).map(({ signs }) => signs)).toEqual(
        [false, true].slice(2 - keysAfter),
      );
      expect(found.signedBy).toHaveLength(keysAfter);
    }
  });

  test("between the last signature of the old key and the first of the new one, too", async () => {
    const run = await templates.copy("base");
    const pem = await (async () => {
      await using service = await startService(run.folder);
      using client = administrator(service, 0);
      await client.audit.rotateKey();
      return (await client.audit.keys()).at(0)?.pem ?? "";
    })();
    const db = new DatabaseSync(join(run.folder, "audit", "audit.db"));
    const heads = db.prepare("SELECT n, text FROM heads ORDER BY n").all() as { n: number; text: string }[];
    const last = parseHead(heads.at(-1)?.text ?? "")?.key;
    for (const { n, text } of heads)
      if (parseHead(text)?.key === last) db.prepare("DELETE FROM heads WHERE n = ?").run(n);
    db.close();
    await using service = await startService(run.folder);
    using client = administrator(service, 0);
    const found = await verifiedWith([pem], await exported(client));
    expect(found.faults).toEqual([]);
    expect(found.signedBy.at(-1)).toBe(last);
  });
});

describe("a database that lacks what the log knows, or has more", () => {
  test("restored from before the key that signs: another one is made, with an alarm, for auditors to trust", async () => {
    const run = await templates.copy("base");
    {
      await using service = await startService(run.folder);
      using client = administrator(service, 0);
      await client.audit.rotateKey();
    }
    const db = new DatabaseSync(join(run.folder, "store", "claviger.db"));
    db.exec("DELETE FROM audit_keys WHERE n = (SELECT max(n) FROM audit_keys)");
    db.close();
    const said: string[] = [];
    await using daemon = await startTestDaemon({ folder: run.folder, log: (line) => said.push(line) });
    using client = new ClavigerClient(daemon);
    expect(said.filter((line) => line.includes("which signed the audit log last"))).toHaveLength(1);
    const keys = await client.audit.keys();
    const log = await exported(client);
    expect((await verifiedWith([keys[0]?.pem ?? ""], log)).faults).not.toEqual([]);
    expect(
      (
        await verifiedWith(
          keys.map(({ pem }) => pem),
          log,
        )
      ).faults,
    ).toEqual([]);
    expect(await client.audit.verify()).toMatchObject({ verified: true });
  });

  test("a row of a key that somebody else has put there may not sign, and raises an alarm", async () => {
    const run = await templates.copy("base");
    const foreign = newTestKey();
    const db = new DatabaseSync(join(run.folder, "store", "claviger.db"));
    db.prepare(
      "INSERT INTO audit_keys (n, fingerprint, public_key, sealed, created_at_ms) SELECT 0, ?, ?, sealed, 1 FROM audit_keys",
    ).run(foreign.audit.fingerprint, foreign.audit.key.export({ format: "der", type: "spki" }));
    db.close();
    const said: string[] = [];
    await using daemon = await startTestDaemon({ folder: run.folder, log: (line) => said.push(line) });
    using client = new ClavigerClient(daemon);
    expect(said.filter((line) => line.includes(foreign.audit.fingerprint))).not.toEqual([]);
    expect((await client.audit.keys()).map(({ fingerprint }) => fingerprint)).not.toContain(
      foreign.audit.fingerprint,
    );
  });
});

/*
 * What somebody does who can write the log, and has a key of his own, or one that was replaced. He knows everything that
 * is public.
 */
describe("a forged rotation", () => {
  const old = newTestKey();
  const next = newTestKey();
  const own = newTestKey();
  const CHAIN = "11111111-1111-4111-8111-111111111111/22222222-2222-4222-8222-222222222222";
  let logs = 0;

  const der = ({ audit }: TestKey): Buffer => audit.key.export({ format: "der", type: "spki" }) as Buffer;

  function introduction(of: TestKey, by: TestKey, signer = by): KeyIntroduction {
    const signature = sign(null, introductionBytes(der(of)), signer.privateKey).toString("base64");
    return { publicKey: der(of).toString("base64"), by: by.audit.fingerprint, signature };
  }

  /** A log of these records and signatures; "record" is one that introduces nothing. */
  function logOf(steps: readonly ("record" | KeyIntroduction | TestKey)[]): string {
    const path = join(root, `forged-${(logs += 1)}.db`);
    const db = new AuditDatabase(path);
    db.begin(CHAIN, { atMs: 1, previous: undefined, note: "start" });
    for (const step of steps) {
      if (typeof step === "object" && "audit" in step) {
        if (db.head) db.addHead(signedHead(db.head, step));
        continue;
      }
      const newKey = step === "record" ? undefined : step;
      const rest = entryText({ operation: "rotateAuditKey", outcome: "allowed", newKey });
      db.append([{ atMs: 2, rest }]);
    }
    db.close();
    return path;
  }

  const faults = (steps: Parameters<typeof logOf>[0], trusted: readonly TestKey[] = [old]) =>
    verifyLog(logOf(steps), { trusted: trusted.map(({ audit }) => audit) }).faults.map(({ what, seq }) => [
      what,
      seq,
    ]);

  test("a true one has no fault", () => {
    const steps = ["record", old, introduction(next, old), old, next, "record", next] as const;
    expect(faults(steps)).toEqual([]);
    expect(faults(steps, [old, next])).toEqual([]);
  });

  test.for([
    ["signed by the new key itself", [old, introduction(own, own), own]],
    ["signed by the new key in the name of the old one", [old, introduction(own, old, own), own]],
    [
      "whose signature is that over another key",
      [old, { ...introduction(next, old), publicKey: der(own).toString("base64") }, own],
    ],
    ["of what is no key", [old, { ...introduction(next, old), publicKey: "AAAA" }]],
  ] as const)("%s: record and head are found", ([, steps]) => {
    const found = faults([...steps]);
    expect(found[0]).toEqual(["key-untrusted", 2]);
    expect(found.every(([what]) => what === "key-untrusted")).toBe(true);
    expect(found).toHaveLength(steps.length - 1);
  });

  test("whose record the old key has not signed: the new key's heads are found", () => {
    expect(faults([old, introduction(next, old), next, "record", next])).toEqual([
      ["key-untrusted", 2],
      ["key-untrusted", 3],
    ]);
  });

  test("by a key that was replaced: its introductions and its heads are found, also where it is trusted", () => {
    const rotated = [old, introduction(next, old), old, next, "record"] as const;
    for (const trusted of [[old], [old, next]]) {
      expect(faults([...rotated, old], trusted)).toEqual([["key-untrusted", 3]]);
      expect(faults([...rotated, introduction(own, old), old, own], trusted)).toEqual([
        ["key-untrusted", 4],
        ["key-untrusted", 4],
        ["key-untrusted", 4],
      ]);
    }
  });

  test("in an export whose own keys count: a key that it introduces may not sign before that is signed", async () => {
    for (const [by, found] of [
      [old, []],
      [own, ["key-untrusted", "key-untrusted"]],
    ] as const) {
      const path = logOf([old, introduction(own, by), ...(by === old ? [old] : []), own]);
      const db = new DatabaseSync(path, { readOnly: true });
      const keys = [old, own].map(({ audit, pem }) => ({ fingerprint: audit.fingerprint, pem }));
      const { lines } = exportPage(db, { cursor: undefined, limit: 1000, keys });
      db.close();
      const { faults: said } = await verifyExport(texts(lines));
      expect(said.map(({ what }) => what)).toEqual(found);
    }
  });
});
