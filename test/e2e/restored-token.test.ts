import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startRegisterHost } from "../pkcs11/register-host.ts";
import { copyToken, restoreToken } from "../pkcs11/tokens.ts";
import { isWithout } from "../set-up/without.ts";
import { changeMasterKey, codeOf, TOKEN_UNIT, TokenScene, until } from "./token-scene.ts";

/** A token that comes back as it was before a change, or damaged: it is named, and nothing is done by what it holds. */

describe.skipIf(isWithout("softhsm2"))("the unit of a group on a token", () => {
  let scene: TokenScene;

  beforeEach(async () => {
    scene = new TokenScene();
    await scene.start();
    await scene.client.projects.create({ name: "shop" });
    await scene.client.keys.create({ project: "shop", name: "orders" });
  }, 60_000);
  afterEach(() => scene[Symbol.asyncDispose]());

  const sealed = () =>
    scene.client.keys.encrypt({ project: "shop", key: "orders", plaintext: Buffer.from("x") });

  it(
    "whose CURRENT is the former master key is named, and neither wraps nor changes by it",
    { timeout: 60_000 },
    async () => {
      const former = (await scene.client.units.get(TOKEN_UNIT)).registers[0]?.CURRENT.vp ?? "none";
      using older = copyToken(scene.token);
      const vp = await changeMasterKey(scene.client);
      await sealed();
      await scene.stop();
      restoreToken(scene.token, older);
      await scene.start();
      expect((await scene.client.units.get(TOKEN_UNIT)).registers[0]?.CURRENT.vp).toBe(former);
      await until(() =>
        scene.log.some((line) => line.includes(former.slice(0, 16)) && line.includes(vp.slice(0, 16))),
      );
      expect(await codeOf(scene.client.projects.create({ name: "another" }))).toBe("fence-moved");
      expect(await codeOf(scene.client.changes.create())).toBe("change-not-ready");
      // Until the purge every KEK has its former form too, which this token opens.
      await sealed();
    },
  );

  it("which is not the one that was added is refused at the start", async () => {
    await scene.stop();
    using db = new DatabaseSync(join(scene.folder, "data", "store", "claviger.db"));
    db.exec("UPDATE units SET public_key = zeroblob(32)");
    await expect(scene.start()).rejects.toMatchObject({
      code: "unit-missing",
      message: expect.stringContaining(`another unit stands in the place of ${TOKEN_UNIT}`) as unknown,
    });
  });

  it("which lacks an object of a master key is refused at the start, and stays as it is", async () => {
    await scene.stop();
    await using host = await startRegisterHost(scene.token);
    const labels = await host.call("labels");
    const current = labels.find((label) => / WK CURRENT \d+$/.test(label)) ?? "none";
    await host.call("lose", current);
    const lying = await host.call("labels");
    await expect(scene.start()).rejects.toMatchObject({
      code: "unit-token-damaged",
      message: expect.stringContaining("the wrapping key of a master key is missing") as unknown,
    });
    expect(await host.call("labels")).toEqual(lying);
  });
});
