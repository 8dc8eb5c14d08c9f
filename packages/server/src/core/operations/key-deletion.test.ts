import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { refusal } from "../../../../../test/contracts/crypto-unit-contract.ts";
import type { World } from "../../../../../test/model/world.ts";
import { newWorld, removeTemplate } from "../../../../../test/model/world.ts";
import type { KeyRecord, ProjectRecord } from "../hierarchy/records.ts";
import { cancelKeyDeletion } from "./cancel-key-deletion.ts";
import { createKey } from "./create-key.ts";
import { createProject } from "./create-project.ts";
import { decrypt } from "./decrypt.ts";
import { destroyDueKeys } from "./destroy-due-keys.ts";
import { encrypt } from "./encrypt.ts";
import { generateDataKey } from "./generate-data-key.ts";
import { rotateKey } from "./rotate-key.ts";
import { scheduleKeyDeletion } from "./schedule-key-deletion.ts";
import { setKeyState } from "./set-key-state.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const context = {};
let world: World;
let project: ProjectRecord;
let key: KeyRecord;

beforeEach(async () => {
  world = await newWorld();
  project = await createProject(world.ports, { name: "shop" });
  key = await createKey(world.ports, { project, name: "orders" });
});
afterEach(() => world.dispose());
afterAll(removeTemplate);

const found = (ref: string = key.id) => world.ports.keys.key(project.id, ref);
const schedule = async (days?: number) => scheduleKeyDeletion(world.ports, { key: await found(), days });
const cancel = async () => cancelKeyDeletion(world.ports, { key: await found() });
const destroyDue = () => destroyDueKeys(world.ports, { limit: 10 });
const rows = (sql: string) => {
  const db = new DatabaseSync(world.storePath, { timeout: 2_000 });
  const found = db.prepare(sql).all();
  db.close();
  return found;
};
const tamper = (sql: string): void => {
  const db = new DatabaseSync(world.storePath, { timeout: 2_000 });
  db.exec(sql);
  db.close();
};

describe("a scheduled deletion", () => {
  test("waits 30 days if nothing is said, and 7 to 30 if it is", async () => {
    const scheduled = await schedule();
    expect(scheduled).toMatchObject({
      state: "pending-deletion",
      deletionDueMs: world.clock.nowMs() + 30 * DAY_MS,
    });
    await cancel();
    for (const days of [6, 31, 0, -7, 7.5, Number.NaN])
      expect(await refusal(schedule(days)), String(days)).toBe("invalid-request");
    for (const days of [7, 30]) {
      expect((await schedule(days)).deletionDueMs).toBe(world.clock.nowMs() + days * DAY_MS);
      await cancel();
    }
  });

  test("refuses every use of the key at once, and keeps its date", async () => {
    const ciphertext = await encrypt(world.ports, { key, plaintext: Buffer.from("x"), context });
    const { deletionDueMs } = await schedule(7);
    const { ports } = world;
    const now = await found();
    for (const use of [
      () => encrypt(ports, { key: now, plaintext: Buffer.from("x"), context }),
      () => decrypt(ports, { project, ciphertext, context }),
      () => generateDataKey(ports, { key: now, lengthBytes: 32, context }),
      () => rotateKey(ports, { project, key: now }),
      () => setKeyState(ports, { key: now, state: "enabled" }),
      () => setKeyState(ports, { key: now, state: "disabled" }),
      () => schedule(30),
    ])
      expect(await refusal(use()), use.toString()).toBe("key-pending-deletion");
    expect((await found()).deletionDueMs).toBe(deletionDueMs);
    expect(await refusal(createKey(ports, { project, name: "orders" }))).toBe("key-exists");
  });

  test("that is canceled leaves the key disabled, with its versions", async () => {
    const ciphertext = await encrypt(world.ports, { key, plaintext: Buffer.from("x"), context });
    expect(await refusal(cancel())).toBe("key-not-pending-deletion");
    await schedule();
    expect(await cancel()).toMatchObject({ state: "disabled", deletionDueMs: undefined });
    expect(await refusal(decrypt(world.ports, { project, ciphertext, context }))).toBe("key-disabled");
    await setKeyState(world.ports, { key: await found(), state: "enabled" });
    const opened = await decrypt(world.ports, { project, ciphertext, context });
    expect(opened.plaintext.lengthBytes).toBe(1);
    world.clock.advance(40 * DAY_MS);
    expect(await destroyDue()).toEqual({ destroyed: [], left: 0 });
  });

  test("is for keys that somebody disabled too", async () => {
    await setKeyState(world.ports, { key, state: "disabled" });
    expect((await schedule()).state).toBe("pending-deletion");
  });
});

describe("destruction", () => {
  test("comes when the time has come, not before, and leaves a vouched row without any material", async () => {
    const ciphertext = await encrypt(world.ports, { key, plaintext: Buffer.from("x"), context });
    await rotateKey(world.ports, { project, key: await found() });
    await schedule(7);
    world.clock.advance(7 * DAY_MS - 1);
    expect(await destroyDue()).toEqual({ destroyed: [], left: 0 });
    world.clock.advance(1);
    const { destroyed } = await destroyDue();
    expect(destroyed).toMatchObject([
      { id: key.id, state: "destroyed", destroyedAtMs: world.clock.nowMs(), currentVersion: 2 },
    ]);
    expect(rows("SELECT length(wrapped) AS bytes FROM key_versions WHERE version > 0")).toEqual([
      { bytes: 40 }, // the key of the row MACs
      { bytes: 0 },
      { bytes: 0 },
    ]);
    await world.restart();
    expect(await found()).toMatchObject({ state: "destroyed", name: "orders" });
    for (const version of await world.ports.store.listKeyVersions({ keyId: key.id }))
      await world.ports.vouchedRows.checkVersion(version);
    expect(await refusal(decrypt(world.ports, { project, ciphertext, context }))).toBe("key-destroyed");
    expect(await refusal(cancel())).toBe("key-destroyed");
    expect(await destroyDue()).toEqual({ destroyed: [], left: 0 });
  });

  test("closes what is open: no use that begins afterwards finds the material in a cache", async () => {
    const ciphertext = await encrypt(world.ports, { key, plaintext: Buffer.from("x"), context });
    await schedule(7);
    world.clock.advance(7 * DAY_MS);
    await destroyDue();
    const known = { ...key, state: "enabled" as const };
    expect(await refusal(decrypt(world.ports, { project, ciphertext, context }))).toBe("key-destroyed");
    // Even somebody who still holds the record from before gets no further than the emptied version.
    expect(await refusal(encrypt(world.ports, { key: known, plaintext: ciphertext, context }))).toBe(
      "record-not-vouched",
    );
  });

  test("frees the name: it means the new key, and the id the old one", async () => {
    await schedule(7);
    world.clock.advance(7 * DAY_MS);
    await destroyDue();
    expect(await refusal(found("orders"))).toBe("key-not-found");
    const next = await createKey(world.ports, { project, name: "orders" });
    expect((await found("orders")).id).toBe(next.id);
    expect((await found(key.id)).state).toBe("destroyed");
    const list = async (destroyed: boolean) =>
      (
        await world.ports.store.listKeys({ projectId: project.id, limit: 9, after: undefined, destroyed })
      ).items.map(({ id }) => id);
    expect(await list(false)).toEqual([next.id]);
    expect(await list(true)).toEqual([key.id, next.id]);
  });

  test("of a key that became due while no daemon ran comes at the next start", async () => {
    await schedule(7);
    await world.close();
    world.clock.advance(100 * DAY_MS);
    await world.open();
    expect((await destroyDue()).destroyed).toHaveLength(1);
  });

  test("does not come before its time when the clock is put back, also between look and deed", async () => {
    await schedule(7);
    world.clock.advance(7 * DAY_MS);
    const { store } = world.ports;
    const putBack = {
      ...store,
      listKeysDue: async (input: Parameters<typeof store.listKeysDue>[0]) => {
        const due = await store.listKeysDue(input);
        world.clock.advance(-DAY_MS);
        return due;
      },
    };
    expect(await destroyDueKeys({ ...world.ports, store: putBack }, { limit: 10 })).toEqual({
      destroyed: [],
      left: 1,
    });
    expect((await found()).state).toBe("pending-deletion");
    world.clock.advance(DAY_MS);
    expect((await destroyDue()).destroyed).toHaveLength(1);
  });

  test.each([
    ["a state that nobody set", "UPDATE keys SET state = 'pending-deletion', deletion_due_ms = 1"],
    ["an earlier date", "UPDATE keys SET deletion_due_ms = 1"],
    ["a MAC with one bit changed", "UPDATE keys SET mac = zeroblob(32), deletion_due_ms = 1"],
  ])("does not believe %s", async (what, sql) => {
    if (what !== "a state that nobody set") await schedule(7);
    tamper(`${sql} WHERE id = '${key.id}'`);
    expect(await destroyDue()).toEqual({ destroyed: [], left: 1 });
    expect(world.alarms.join()).toContain(`record-not-vouched: key ${key.id}`);
    const where = `WHERE key_id = '${key.id}'`;
    expect(rows(`SELECT length(wrapped) AS bytes FROM key_versions ${where}`)).toEqual([{ bytes: 40 }]);
  });

  test("overwrites also a version that was tampered with, and vouches for nothing of it", async () => {
    await rotateKey(world.ports, { project, key });
    await schedule(7);
    tamper(`UPDATE key_versions SET created_at_ms = 7 WHERE key_id = '${key.id}' AND version = 1`);
    world.clock.advance(7 * DAY_MS);
    expect((await destroyDue()).destroyed).toHaveLength(1);
    const versions = await world.ports.store.listKeyVersions({ keyId: key.id });
    expect(versions.map(({ wrapped }) => wrapped.byteLength)).toEqual([0, 0]);
    const check = versions.map((version) => refusal(world.ports.vouchedRows.checkVersion(version)));
    expect(await Promise.all(check)).toEqual(["record-not-vouched", "no failure"]);
  });

  test("and a cancel at the last moment: one wins, whole", async () => {
    for (const first of ["cancel", "destroy"] as const) {
      const one = await createKey(world.ports, { project, name: first });
      await scheduleKeyDeletion(world.ports, { key: one, days: 7 });
      const pending = await found(one.id);
      world.clock.advance(7 * DAY_MS);
      const { store } = world.ports;
      const late = () => refusal(cancelKeyDeletion(world.ports, { key: pending }));
      if (first === "destroy") {
        await destroyDue();
        expect(await late()).toBe("key-changed");
        expect(await found(one.id)).toMatchObject({ state: "destroyed" });
        continue;
      }
      const overtaken = {
        ...store,
        destroyKey: async (input: Parameters<typeof store.destroyKey>[0]) => {
          await cancelKeyDeletion(world.ports, { key: pending });
          return store.destroyKey(input);
        },
      };
      expect(await destroyDueKeys({ ...world.ports, store: overtaken }, { limit: 10 })).toMatchObject({
        destroyed: [],
        left: 1,
      });
      await setKeyState(world.ports, { key: await found(one.id), state: "enabled" });
      const enabled = await found(one.id);
      await encrypt(world.ports, { key: enabled, plaintext: Buffer.from("x"), context });
    }
  });

  test("takes the longest due first, no more at once than it is told", async () => {
    const others = [];
    for (const name of ["b", "c"]) others.push(await createKey(world.ports, { project, name }));
    for (const [nth, one] of others.entries()) {
      await scheduleKeyDeletion(world.ports, { key: one, days: 9 - nth });
    }
    await schedule(7);
    world.clock.advance(30 * DAY_MS);
    const { destroyed, left } = await destroyDueKeys(world.ports, { limit: 2 });
    expect([destroyed.map(({ name }) => name), left]).toEqual([["orders", "c"], 0]);
    expect((await destroyDue()).destroyed.map(({ name }) => name)).toEqual(["b"]);
  });
});
