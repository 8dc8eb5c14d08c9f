import { afterAll, expect, test } from "vitest";
import { Failure } from "../../packages/server/src/core/errors.ts";
import type { UnitAddress } from "../../packages/server/src/core/ids.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite-store.ts";
import { databasePath } from "./data-folder.ts";
import { administrator, startService } from "./service.ts";
import { SECOND_UNIT } from "./steps.ts";
import { Templates } from "./templates.ts";

const templates = new Templates(3);
afterAll(() => templates[Symbol.dispose]());

test("what was opened on a unit is forgotten when it is removed: another at its address has opened nothing", async () => {
  const { folder } = await templates.copy("activated");
  const store = openSqliteStore({ path: databasePath(folder), threads: "none" });
  const { items } = await store.listChanges({ limit: 1, after: undefined, openOnly: true });
  const changeId = items[0]?.id;
  if (!changeId) throw new Error("no change is open");
  const sweptUnits = async (): Promise<string[]> =>
    (await store.readSweeps({ changeId })).map(({ unit }) => unit);
  expect(await sweptUnits()).toContain(SECOND_UNIT);
  await store.removeUnit({ address: SECOND_UNIT as UnitAddress });
  expect(await sweptUnits()).not.toContain(SECOND_UNIT);
  await store.close();
});

test("a removal whose last write failed is finished by removing the unit again", async () => {
  const { folder } = await templates.copy("base");
  let fails = true;
  await using service = await startService(folder, {
    store: (store) => ({
      ...store,
      removeUnit: async (input) => {
        if (fails) throw new Failure("store-full");
        return await store.removeUnit(input);
      },
    }),
  });
  using client = administrator(service, 0);
  await expect(client.units.remove(SECOND_UNIT)).rejects.toMatchObject({ code: "store-full" });
  fails = false;
  expect((await client.units.remove(SECOND_UNIT)).address).toBe(SECOND_UNIT);
  expect((await service.store.listUnits({})).map(({ address }) => address)).toEqual(["01.0001"]);
  await expect(client.units.remove(SECOND_UNIT)).rejects.toMatchObject({ code: "unit-not-found" });
});
