import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type {
  RestoreTarget,
  RowValue,
  SnapshotStore,
  StoreSnapshot,
  TableRows,
} from "../../../packages/server/src/core/ports/backup-store.ts";
import type { KekId, KeyId, PrincipalId, ProjectId, TokenId } from "../../../packages/server/src/core/ids.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../../../packages/server/src/core/ids.ts";
import { isFailure } from "../../../packages/server/src/core/errors.ts";
import type { RollbackMark } from "../../../packages/server/src/core/ports/rollback-store.ts";
import type { Store } from "../../../packages/server/src/core/ports/store.ts";
import { SCRIPTS } from "../../../packages/server/src/store/scripts.ts";
import { A } from "../../model/arbitrary-facts.ts";
import { SCRATCH } from "../../model/scratch.ts";

/** A back end whose places can be backed up from, and restored into. */
export interface BackupBackEnd {
  readonly name: string;
  open(place: string): Promise<Store & SnapshotStore>;
  target(place: string): RestoreTarget | Promise<RestoreTarget>;
}

const MARK: RollbackMark = {
  id: "00000009-0000-4000-8000-000000000001",
  state: "writing",
  reason: "restored from backup b of then",
  asOfMs: 5,
  markedAtMs: 7,
};
const BACKUP = "00000008-0000-4000-8000-000000000001";
const uuidOf = (kind: number, i: number): string =>
  `0000000${kind}-0000-4000-8000-${i.toString(16).padStart(12, "0")}`;

/** A snapshot is one moment, a restore is whole or says that it is not, and what was rolled back is not written. */
export function backupContract(backEnd: BackupBackEnd): void {
  describe(`backup of a store: ${backEnd.name}`, () => {
    let folder: string;
    let store: Store & SnapshotStore;

    beforeEach(async () => {
      folder = mkdtempSync(join(SCRATCH, "claviger-backup-"));
      store = await backEnd.open(join(folder, "one.db"));
      await store.createFence({ group: DEFAULT_GROUP, type: DEFAULT_TYPE, currentVp: A, atMs: 1 });
      for (let i = 1; i <= 7; i += 1) await createRows(i);
    });
    afterEach(async () => {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    });

    async function createRows(i: number, into = store): Promise<void> {
      const [projectId, kekId, keyId] = [
        uuidOf(1, i) as ProjectId,
        uuidOf(2, i) as KekId,
        uuidOf(3, i) as KeyId,
      ];
      await into.createProject({
        project: { id: projectId, name: `project ${i}`, kekId, createdAtMs: i },
        kek: {
          id: kekId,
          projectId,
          group: DEFAULT_GROUP,
          type: DEFAULT_TYPE,
          kcv: Uint8Array.of(i),
          wrapped: [{ vp: A, blob: Uint8Array.of(1, i) }],
        },
      });
      const mac = Uint8Array.of(9, i);
      const key = {
        id: keyId,
        projectId,
        name: 'k \u{1f511} "\\\n',
        spec: "AES_256",
        usage: "ENCRYPT_DECRYPT",
        origin: "generated",
        state: "enabled",
        deletionDueMs: undefined,
        destroyedAtMs: undefined,
        currentVersion: 1,
        createdAtMs: i,
        revision: 1,
        mac,
      } as const;
      const wrapped = Uint8Array.of(i);
      const version = { keyId, projectId, kekId, wrapped, publicKey: undefined, createdAtMs: i, mac };
      await into.createKey({ key, version: { ...version, version: 1 } });
      const rotated = { ...key, currentVersion: 2, revision: 2 };
      await into.updateKey({ key: rotated, version: { ...version, version: 2 } });
    }
    const addPrincipal = (i: number) =>
      store.createPrincipal({
        principal: {
          id: uuidOf(4, i) as PrincipalId,
          name: `p${i}`,
          kind: "service",
          state: "enabled",
          grants: [{ role: "auditor", projectId: undefined }],
          requestsPerSecond: undefined,
          identity: undefined,
          certificate: undefined,
          createdAtMs: i,
          revision: 1,
          mac: Uint8Array.of(i),
        },
        token: {
          id: uuidOf(5, i) as TokenId,
          principalId: uuidOf(4, i) as PrincipalId,
          hash: Uint8Array.of(i),
          label: "",
          createdAtMs: i,
          expiresAtMs: undefined,
          revokedAtMs: undefined,
          mac: Uint8Array.of(i),
        },
      });

    /** Every table that is not empty, read in pages of `limit`. */
    async function dump(snapshot: StoreSnapshot, limit: number): Promise<TableRows[]> {
      const tables: TableRows[] = [];
      for (const { table, rows: count } of snapshot.counts) {
        const rows: (readonly RowValue[])[] = [];
        let columns: readonly string[] = [];
        for (let after: Awaited<ReturnType<StoreSnapshot["readRows"]>>["next"]; ;) {
          const page = await snapshot.readRows({ table, after, limit });
          expect(page.rows.length).toBeLessThanOrEqual(limit);
          rows.push(
            ...page.rows.map((row) =>
              row.map((value) => (value instanceof Uint8Array ? Uint8Array.from(value) : value)),
            ),
          );
          if (page.rows.length > 0) columns = page.columns;
          if (page.next === undefined) break;
          after = page.next;
        }
        expect([table, rows.length]).toEqual([table, count]);
        if (count > 0) tables.push({ table, columns, rows });
      }
      return tables;
    }
    const tablesOf = async (of: SnapshotStore): Promise<TableRows[]> => {
      await using snapshot = await of.openSnapshot();
      return await dump(snapshot, 1_000);
    };
    const schemaOf = async (): Promise<number> => {
      await using snapshot = await store.openSnapshot();
      return snapshot.schema;
    };
    const codeOf = async (call: () => Promise<unknown>): Promise<string> => {
      try {
        await call();
        return "done";
      } catch (error) {
        if (isFailure(error)) return error.code;
        throw error;
      }
    };

    describe("a snapshot", () => {
      test("gives every row once, in pages of any size", async () => {
        await using snapshot = await store.openSnapshot();
        const inOne = await dump(snapshot, 1_000);
        expect(inOne.map(({ table }) => table)).toEqual(
          expect.arrayContaining(["fences", "master_keys", "projects", "keks", "keys", "key_versions"]),
        );
        for (const limit of [1, 2, 3, 7]) expect(await dump(snapshot, limit)).toEqual(inOne);
      });

      test("does not have what is written after it, and holds no writer up", async () => {
        await using snapshot = await store.openSnapshot();
        const before = await dump(snapshot, 3);
        await createRows(8);
        await addPrincipal(1);
        expect(await snapshot.readKek({ kekId: uuidOf(2, 8) as KekId })).toBeUndefined();
        expect(await dump(snapshot, 3)).toEqual(before);
        expect(await store.findProject({ ref: "project 8" })).toBeDefined();
        await using later = await store.openSnapshot();
        expect(await dump(later, 3)).not.toEqual(before);
      });

      test("reads no table that is in no backup", async () => {
        await using snapshot = await store.openSnapshot();
        for (const table of ["schema_migrations", "nothing", "keks; DROP TABLE keks"])
          expect(await codeOf(() => snapshot.readRows({ table, after: undefined, limit: 1 }))).toBe(
            "internal",
          );
      });
    });

    describe("a restore", () => {
      const two = (): string => join(folder, "two.db");

      test("gives a store that has every row, and a mark that stands", async () => {
        await addPrincipal(1);
        const [tables, schema] = [await tablesOf(store), await schemaOf()];
        const target = await backEnd.target(two());
        expect(await target.begin({ mark: MARK, backupId: BACKUP, schema })).toEqual({ resumed: 0 });
        let written = 0;
        for (const each of tables)
          await target.writeRows({ batch: [each], written: (written += each.rows.length) });
        await target.finish();
        await target.close();
        const copy = await backEnd.open(two());
        const copied = (await tablesOf(copy)).filter(({ table }) => table !== "rollback_marks");
        expect(copied).toEqual(tables);
        expect(await copy.readRollback({})).toEqual({ ...MARK, state: "standing" });
        await copy.close();
      });

      test("that is interrupted is gone on with by the same backup alone, and nothing else opens it", async () => {
        const schema = await schemaOf();
        const [first] = await tablesOf(store);
        const begin = { mark: MARK, backupId: BACKUP, schema };
        let target = await backEnd.target(two());
        await target.begin(begin);
        await target.writeRows({ batch: first ? [first] : [], written: 1 });
        await target.close();
        expect(await codeOf(() => backEnd.open(two()))).toBe("restore-incomplete");
        target = await backEnd.target(two());
        expect(await codeOf(() => target.begin({ ...begin, backupId: uuidOf(8, 2) }))).toBe(
          "restore-incomplete",
        );
        expect(await target.begin(begin)).toEqual({ resumed: 1 });
        await target.close();
        expect(await codeOf(() => backEnd.open(two()))).toBe("restore-incomplete");
        target = await backEnd.target(two());
        expect(await target.begin(begin)).toEqual({ resumed: 1 });
        await target.finish();
        await target.close();
        await (await backEnd.open(two())).close();
      });

      test("goes into no store that is in use, and not into one that was restored", async () => {
        const schema = await schemaOf();
        const begin = { mark: MARK, backupId: BACKUP, schema };
        await store.close();
        const used = await backEnd.target(join(folder, "one.db"));
        expect(await codeOf(() => used.begin(begin))).toBe("store-not-empty");
        await used.close();
        store = await backEnd.open(join(folder, "one.db"));
        const target = await backEnd.target(two());
        await target.begin(begin);
        await target.finish();
        expect(await codeOf(() => target.begin({ ...begin, backupId: uuidOf(8, 2) }))).toBe(
          "store-not-empty",
        );
        await target.close();
      });

      test("of an older schema goes into no store that has a newer one, though it has no rows", async () => {
        await (await backEnd.open(two())).close();
        const target = await backEnd.target(two());
        const older = { mark: MARK, backupId: BACKUP, schema: (await schemaOf()) - 1 };
        expect(await codeOf(() => target.begin(older))).toBe("store-not-empty");
        await target.close();
        await (await backEnd.open(two())).close();
      });

      test("of a newer schema, or of one that no release backs up, is refused and leaves nothing", async () => {
        const target = await backEnd.target(two());
        const begin = { mark: MARK, backupId: BACKUP };
        expect(await codeOf(() => target.begin({ ...begin, schema: 10_000 }))).toBe("backup-newer");
        expect(await codeOf(() => target.begin({ ...begin, schema: 1 }))).toBe("backup-damaged");
        await target.close();
        const fresh = await backEnd.open(two());
        expect(await fresh.listFences({})).toEqual([]);
        await fresh.close();
      });

      test("of rows that the schema has not is refused, with the rows of its batch", async () => {
        const schema = await schemaOf();
        const target = await backEnd.target(two());
        await target.begin({ mark: MARK, backupId: BACKUP, schema });
        const alien = { table: "aliens", columns: ["id"], rows: [[1]] };
        expect(await codeOf(() => target.writeRows({ batch: [alien], written: 1 }))).toBe("backup-damaged");
        expect(await target.begin({ mark: MARK, backupId: BACKUP, schema })).toEqual({ resumed: 0 });
        await target.close();
      });
    });

    describe("while the database is marked as rolled back", () => {
      // The log goes on, and says what is done while the database is marked. Who accepts it notes first what units count.
      const goingOn = ["acceptRollback", "markRollback", "noteGeneration", "dropOutbox", "addAuditKey"];
      const writes = Object.entries(SCRIPTS)
        .filter(([name, { kind }]) => kind === "write" && !goingOn.includes(name))
        .map(([name]) => name as keyof Store);
      let restored: Store & SnapshotStore;

      beforeEach(async () => {
        const schema = await schemaOf();
        const target = await backEnd.target(join(folder, "three.db"));
        await target.begin({ mark: MARK, backupId: BACKUP, schema });
        const batch = await tablesOf(store);
        await target.writeRows({ batch, written: 1 });
        await target.finish();
        await target.close();
        restored = await backEnd.open(join(folder, "three.db"));
      });
      afterEach(() => restored.close());

      test("every write is refused", async () => {
        expect(writes.length).toBeGreaterThan(15);
        for (const name of writes) {
          const call = restored[name] as (input: unknown) => Promise<unknown>;
          expect([name, await codeOf(() => call({}))]).toEqual([name, "store-rolled-back"]);
        }
      });

      test("everything is read", async () => {
        expect(await restored.findProject({ ref: "project 1" })).toBeDefined();
        expect(await restored.readKek({ kekId: uuidOf(2, 1) as KekId })).toBeDefined();
        expect(await restored.census({ group: DEFAULT_GROUP, type: DEFAULT_TYPE })).toHaveLength(1);
      });

      test("it is accepted once, and written again from then on", async () => {
        const accepted = [{ ...MARK, state: "accepted" }];
        expect(await restored.acceptRollback({ by: "alice", atMs: 8, epoch: 3 })).toEqual(accepted);
        expect(await restored.listAcceptedRollbacks({ by: "alice", atMs: 8 })).toEqual(accepted);
        expect(await restored.listAcceptedRollbacks({ by: "alice", atMs: 9 })).toEqual([]);
        expect(await restored.listAcceptedRollbacks({ by: "bob", atMs: 8 })).toEqual([]);
        expect(await restored.acceptRollback({ by: "bob", atMs: 9, epoch: 4 })).toEqual([]);
        expect(await restored.readRollback({})).toBeUndefined();
        expect(await codeOf(() => restored.dropLeases({}))).toBe("done");
      });

      test("what is created once that is accepted is numbered behind what was restored", async () => {
        await restored.acceptRollback({ by: "alice", atMs: 8, epoch: 3 });
        await createRows(8, restored);
        const tables = await tablesOf(restored);
        for (const name of ["projects", "keks", "keys"]) {
          const found = tables.find(({ table }) => table === name);
          const at = found?.columns.indexOf("n") ?? -1;
          expect([name, found?.rows.map((row) => row[at])]).toEqual([name, [1, 2, 3, 4, 5, 6, 7, 8]]);
        }
      });
    });
  });
}
