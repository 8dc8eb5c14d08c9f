import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SCRATCH } from "../../../../../test/model/scratch.ts";
import type { KeyId, ProjectId } from "../../core/ids.ts";
import { openSqliteStore } from "../sqlite-store.ts";
import { foundation } from "./0001-foundation.ts";

const PROJECT = "00000002-0000-4000-8000-000000000001" as ProjectId;
const keyId = (i: number) => `00000004-0000-4000-8000-00000000000${i}` as KeyId;
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(SCRATCH, "claviger-migrate-"));
  path = join(folder, "claviger.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A database as release 0.1.0 left it, with two keys. */
function databaseOfFirstRelease(): void {
  const db = new DatabaseSync(path);
  db.exec("PRAGMA journal_mode = WAL");
  db.exec("CREATE TABLE schema_migrations (id INTEGER PRIMARY KEY, name TEXT NOT NULL)");
  for (const statement of foundation) db.exec(typeof statement === "string" ? statement : statement.sqlite);
  db.exec("INSERT INTO schema_migrations VALUES (1, 'foundation')");
  const insert = db.prepare(
    `INSERT INTO keys (n, id, project_id, name, spec, usage, state, current_version, created_at_ms, revision, mac)
     VALUES (?, ?, ?, ?, 'AES_256', 'ENCRYPT_DECRYPT', ?, 1, 5, 3, x'aa')`,
  );
  insert.run(7, keyId(1), PROJECT, "orders", "enabled");
  insert.run(9, keyId(2), PROJECT, "cards", "disabled");
  db.close();
}

describe("a database of release 0.1.0", () => {
  test("keeps its keys, each in its place, and says nothing of them that was not said", async () => {
    databaseOfFirstRelease();
    const store = openSqliteStore({ path, threads: "none" });
    const first = await store.listKeys({ projectId: PROJECT, limit: 1, after: undefined, destroyed: true });
    expect(first.next).toBe("7");
    expect(first.items).toEqual([
      {
        id: keyId(1),
        projectId: PROJECT,
        name: "orders",
        spec: "AES_256",
        usage: "ENCRYPT_DECRYPT",
        origin: "generated",
        state: "enabled",
        currentVersion: 1,
        createdAtMs: 5,
        deletionDueMs: undefined,
        destroyedAtMs: undefined,
        revision: 3,
        mac: Uint8Array.of(0xaa),
      },
    ]);
    expect((await store.findKey({ projectId: PROJECT, ref: "cards" }))?.state).toBe("disabled");
    await store.close();
  });
});

describe("what is destroyed", () => {
  test("is nowhere in the file any more", async () => {
    databaseOfFirstRelease();
    const material = Buffer.from("wrapped material that must not stay anywhere");
    const store = openSqliteStore({ path, threads: "none" });
    const key = await store.findKey({ projectId: PROJECT, ref: "orders" });
    if (!key) throw new Error("the key is gone");
    const version = { keyId: key.id, projectId: PROJECT, version: 2, kekId: "" as never, createdAtMs: 1 };
    await store.updateKey({
      key: { ...key, revision: 4, currentVersion: 2 },
      version: { ...version, publicKey: undefined, wrapped: material, mac: Uint8Array.of(1) },
    });
    const inFiles = () => {
      const db = new DatabaseSync(path, { timeout: 1_000 });
      db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      db.close();
      return readFileSync(path).includes(material);
    };
    expect(inFiles()).toBe(true);
    await store.destroyKey({ key: { ...key, revision: 5, state: "destroyed" }, versions: [] });
    expect(inFiles()).toBe(false);
    await store.close();
  });
});
