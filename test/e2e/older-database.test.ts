import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Failure } from "../../packages/server/src/core/errors.ts";
import { isWithout } from "../set-up/without.ts";
import { changeMasterKey, codeOf, TOKEN_UNIT, TokenScene, until } from "./token-scene.ts";

/** A token keeps no anchors, but it counts its master keys: a database that has not seen its CURRENT is an older one. */
describe.skipIf(isWithout("softhsm2"))("an older database beside a token", () => {
  let scene: TokenScene;

  beforeEach(async () => {
    scene = new TokenScene();
    await scene.start();
    await scene.client.projects.create({ name: "shop" });
    await scene.client.keys.create({ project: "shop", name: "orders" });
  }, 60_000);
  afterEach(() => scene[Symbol.asyncDispose]());

  const stores = () => join(scene.folder, "data", "store");
  const mark = () => scene.log.find((line) => line.includes("its CURRENT is its master key number"));
  const current = async () => (await scene.client.units.get(TOKEN_UNIT)).registers[0]?.CURRENT.vp;

  async function replaceByCopy(): Promise<void> {
    await scene.stop();
    rmSync(stores(), { recursive: true });
    cpSync(join(scene.folder, "copy"), stores(), { recursive: true });
  }

  async function copyStore(): Promise<void> {
    await scene.stop();
    cpSync(stores(), join(scene.folder, "copy"), { recursive: true });
    await scene.start();
  }

  it(
    "is read-only until somebody has accepted it, and is not found again then",
    { timeout: 90_000 },
    async () => {
      await copyStore();
      await changeMasterKey(scene.client);
      await replaceByCopy();
      await scene.start();
      expect(mark()).toContain(`older than crypto unit ${TOKEN_UNIT}`);
      expect(await codeOf(scene.client.projects.create({ name: "another" }))).toBe("store-rolled-back");
      await scene.client.backups.acceptRollback();
      await scene.stop();
      await scene.start();
      expect(mark()).toBeUndefined();
    },
  );

  it(
    "is found out where CURRENT is the master key that it knows, recalled from OLD",
    { timeout: 90_000 },
    async () => {
      const first = await current();
      await copyStore();
      const forward = await changeMasterKey(scene.client);
      const [done] = (await scene.client.changes.list()).items;
      const back = await scene.client.changes.restore(done?.id ?? "none");
      await scene.client.waitForChange(back.id, "STAGED");
      await scene.client.changes.reencipher(back.id);
      await scene.client.waitForChange(back.id, "READY");
      await scene.client.changes.activate(back.id, { vp: first ?? "none" });
      await until(async () => (await current()) === first);
      expect(forward).not.toBe(first);
      await replaceByCopy();
      await scene.start();
      expect(mark()).toContain("number 3, and the database has seen 1");
    },
  );

  it("is not the one that noted a master key which did not become CURRENT", { timeout: 90_000 }, async () => {
    await scene.stop();
    await scene.start({
      unit: (unit) => ({
        ...unit,
        registers: {
          ...unit.registers,
          read: () => unit.registers.read(),
          execute: async (command) => {
            if (command.verb === "activate") throw new Failure("unit-unreachable", "killed before");
            return await unit.registers.execute(command);
          },
        },
      }),
    });
    const { id } = await scene.client.changes.create();
    const [made] = await scene.client.masterKeys.generate({ unit: TOKEN_UNIT });
    const vp = made?.registers.NEW.vp ?? "none";
    await scene.client.masterKeys.commit({ vp });
    await scene.client.waitForChange(id, "STAGED");
    await scene.client.changes.reencipher(id);
    await scene.client.waitForChange(id, "READY");
    await scene.client.changes.activate(id, { vp });
    await until(() => seenBy(join(stores(), "claviger.db")) === 2);
    await scene.stop();
    await scene.start();
    await until(async () => (await current()) === vp);
    expect(mark()).toBeUndefined();
    expect(await codeOf(scene.client.projects.create({ name: "another" }))).toBe("done");
  });

  it(
    "is not made by a number that could not be noted: nothing is activated before",
    { timeout: 90_000 },
    async () => {
      let [refused, activated] = [0, 0];
      await scene.stop();
      await scene.start({
        store: (store) => ({
          ...store,
          noteGeneration: async (input) => {
            if ((refused += 1) <= 2) throw new Failure("store-failed");
            await store.noteGeneration(input);
          },
        }),
        unit: (unit) => ({
          ...unit,
          registers: {
            ...unit.registers,
            read: () => unit.registers.read(),
            execute: async (command) => {
              if (command.verb === "activate") activated = refused;
              return await unit.registers.execute(command);
            },
          },
        }),
      });
      await changeMasterKey(scene.client);
      expect(activated).toBe(3);
      expect(seenBy(join(stores(), "claviger.db"))).toBe(2);
    },
  );

  it(
    "of a release that has noted nothing takes over what the token counts",
    { timeout: 60_000 },
    async () => {
      await scene.stop();
      const path = join(stores(), "claviger.db");
      using db = new DatabaseSync(path);
      db.exec("DELETE FROM register_generations");
      await scene.start();
      expect(mark()).toBeUndefined();
      expect(seenBy(path)).toBe(1);
    },
  );
});

function seenBy(path: string): unknown {
  using db = new DatabaseSync(path, { readOnly: true });
  return db.prepare("SELECT generation FROM register_generations WHERE unit = ?").get(TOKEN_UNIT)?.[
    "generation"
  ];
}
