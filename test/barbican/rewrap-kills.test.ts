import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ProjectKeyToken } from "../../packages/server/src/core/barbican/project-key-token.ts";
import { isWithout } from "../set-up/without.ts";
import type { FoundRow } from "./known-rows.ts";
import { keyOf } from "./known-rows.ts";
import { open } from "./known-token.ts";
import type { Scene, SceneToken } from "./rewrap-scene.ts";
import { newScene, sceneToken } from "./rewrap-scene.ts";

/*
 * A rewrap is killed before and after each call of its ports. After each kill every key opens in software under what its row
 * says, and the next run finishes, without moving again what was moved.
 */

const CHILD = fileURLToPath(new URL("./rewrap-child.ts", import.meta.url));
/** Two pages, with the rows of other sorts. */
const MOVABLE = 150;

/** Of each call, those that there are: two pages are read and moved, and looked at once more, where some rows fail again. */
const CALLS: Readonly<Record<string, number>> = { rewrap: 5, lockOutOthers: 1, kekRows: 4, replace: 2 };
const POINTS = Object.entries(CALLS).flatMap(([call, count]) =>
  Array.from({ length: count }, (_, i) =>
    (["before", "after"] as const).map((moment) => ({ call, nth: i + 1, moment })),
  ).flat(),
);

describe.skipIf(isWithout("softhsm2"))("a rewrap", () => {
  let at: SceneToken;
  let token: ProjectKeyToken;
  beforeAll(async () => {
    if (isWithout("softhsm2")) return;
    at = sceneToken();
    token = await open(at.token, { hosts: 1 });
  });
  afterAll(async () => {
    await token?.close();
    at?.[Symbol.dispose]();
  });

  async function child({ conf, folder }: Scene, ...point: readonly string[]) {
    const env = { ...process.env, ...at.shim.environment, TMPDIR: folder };
    const running = spawn(process.execPath, [CHILD, conf, ...point], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [said] = await Promise.all([text(running.stdout), once(running, "close")]);
    return { said, signal: running.signalCode };
  }

  const underTarget = (rows: readonly FoundRow[], known: Scene["rows"]): ReadonlyMap<string, string> =>
    new Map(
      rows.flatMap(({ id, plugin_meta: meta }) =>
        meta !== null && !known.isUnmovable(id) && keyOf(meta).mkekLabel === "neu" ? [[id, meta]] : [],
      ),
    );

  test("has these points, and no others", async () => {
    await using scene = await newScene({ ...at, movable: MOVABLE });
    const { said, signal } = await child(scene);
    expect(signal).toBeNull();
    expect(JSON.parse(said)).toEqual({ ended: "complete", counts: CALLS });
    expect(await scene.rows.check()).toEqual({ moved: MOVABLE });
  });

  test.for(POINTS)(
    "killed $moment $call $nth loses nothing, and the next run finishes",
    async ({ call, nth, moment }) => {
      await using scene = await newScene({ ...at, movable: MOVABLE });
      expect((await child(scene, call, String(nth), moment)).signal).toBe("SIGKILL");
      const { moved } = await scene.rows.check();
      if (call === "replace" && nth === 1 && moment === "before") expect(moved).toBeLessThan(MOVABLE);
      if (call === "replace" && moment === "after") expect(moved).toBeGreaterThan(0);
      const movedBefore = underTarget(await scene.rows.read(), scene.rows);
      const { said } = await child(scene);
      expect(JSON.parse(said)).toMatchObject({ ended: "complete" });
      expect(await scene.rows.check()).toEqual({ moved: MOVABLE });
      const movedAfter = underTarget(await scene.rows.read(), scene.rows);
      for (const [id, meta] of movedBefore) expect(movedAfter.get(id)).toBe(meta);
    },
  );
});
