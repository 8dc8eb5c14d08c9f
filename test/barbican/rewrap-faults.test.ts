import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isWithout } from "../set-up/without.ts";
import type { Fault } from "../pkcs11/shim.ts";
import { open } from "./known-token.ts";
import type { Scene, SceneToken } from "./rewrap-scene.ts";
import { newScene, sceneToken } from "./rewrap-scene.ts";
import { destroyKeys } from "./token-with-keys.ts";

/*
 * The token, another run, or the operator end a rewrap in its midst. It says so, no row is lost or half done, and the next run
 * finishes.
 */

const MOVABLE = 400;
const CKR_DEVICE_REMOVED = 0x32;
const CKR_TOKEN_NOT_PRESENT = 0xe0;
/** A token that hangs is given up sooner than a network HSM. */
const DEADLINES_MS = { start: 5_000, quick: 1_000, batch: 1_000, generate: 1_000 };
/** Of unwrapping, which is three times for each row, this is in the midst of the second page. */
const MIDST = 700;

describe.skipIf(isWithout("softhsm2"))("a rewrap", { timeout: 60_000 }, () => {
  let at: SceneToken;
  beforeAll(() => {
    at = sceneToken();
  });
  afterAll(() => at?.[Symbol.dispose]());
  const scene = (): Promise<Scene> => newScene({ ...at, movable: MOVABLE });

  /** The next run, once the fault is over. */
  const finishes = async (barbican: Scene): Promise<void> => {
    at.shim.clear();
    const ran = await barbican.run("rewrap");
    expect(ran.status).toBe(1); // for the rows that no run can move
    expect(await barbican.rows.check()).toEqual({ moved: MOVABLE });
  };
  const someMoved = async (barbican: Scene): Promise<number> => {
    for (;;) {
      const { moved } = await barbican.rows.check();
      if (moved > 0) return moved;
      await sleep(20);
    }
  };

  const lost: readonly (readonly [string, Fault])[] = [
    ["is removed", { fn: "*", rv: CKR_DEVICE_REMOVED, skip: 6 * MIDST }],
    ["is not present any more", { fn: "C_UnwrapKey", rv: CKR_TOKEN_NOT_PRESENT, skip: MIDST }],
    ["hangs", { fn: "C_WrapKey", hang: true, skip: MIDST / 2 }],
    ["crashes whoever uses it", { fn: "C_WrapKey", crash: true, skip: MIDST / 2 }],
    ["wraps other keys than it is given", { flip: "C_WrapKey", skip: MIDST / 2 }],
  ];
  test.for(lost)("whose token %s, ends there with what it has done", async ([, fault]) => {
    await using barbican = await scene();
    await using token = await open(at.token, { deadlinesMs: DEADLINES_MS }, at.shim);
    at.shim.set(fault);
    const before = at.shim.injected();
    const { ended, failure, moved, left } = await barbican.rewrap(token);
    expect(at.shim.injected()).toBeGreaterThan(before);
    expect({ ended, code: failure?.code, left }).toEqual({
      ended: "failed",
      code: "barbican-token-failed",
      left: undefined,
    });
    expect(moved).toBeGreaterThan(0);
    expect(moved).toBeLessThan(MOVABLE);
    expect(await barbican.rows.check()).toEqual({ moved });
    await finishes(barbican);
  });

  const passing: readonly (readonly [string, Fault])[] = [
    ["loses its session", { fn: "C_UnwrapKey", rv: CKR_DEVICE_REMOVED, skip: MIDST, times: 1 }],
    ["crashes a host", { fn: "C_WrapKey", crash: true, skip: MIDST / 2, times: 1 }],
    ["hangs in one call", { fn: "C_Sign", hang: true, skip: MIDST / 2, times: 1 }],
    ["changes a bit of a wrapped key", { flip: "C_WrapKey", skip: MIDST / 2, times: 1 }],
  ];
  test.for(passing)("whose token once %s, goes on to the end", async ([, fault]) => {
    await using barbican = await scene();
    await using token = await open(at.token, { deadlinesMs: DEADLINES_MS }, at.shim);
    at.shim.set(fault);
    const before = at.shim.injected();
    const result = await barbican.rewrap(token);
    expect(at.shim.injected()).toBe(before + 1);
    expect(result).toMatchObject({ ended: "complete", moved: MOVABLE, left: barbican.rows.counts.failed });
    expect(await barbican.rows.check()).toEqual({ moved: MOVABLE });
    at.shim.clear();
  });

  test("says on its command line that the token is gone, with what was done, and ends with 6", async () => {
    await using barbican = await scene();
    at.shim.set({ fn: "C_WrapKey", crash: true, skip: MIDST / 2 });
    const ran = await barbican.run("rewrap", "--rows-per-second", "400", "--json");
    expect(ran.status).toBe(6);
    expect(ran.stderr).toMatch(/^clavigerd: barbican-token-failed: /m);
    const report = JSON.parse(ran.stdout.slice(0, ran.stdout.lastIndexOf("}\n{") + 1 || undefined)) as object;
    const { moved } = await barbican.rows.check();
    expect(report).toMatchObject({
      ended: "failed",
      failure: { code: "barbican-token-failed" },
      rows: { moved, left: null },
    });
    expect(await barbican.secretIn(ran.stdout + ran.stderr)).toBeUndefined();
    await finishes(barbican);
  });

  test("whose old MKEK is gone from the token moves nothing, and names each row with that reason", async () => {
    using other = sceneToken();
    await using barbican = await newScene({ ...other, movable: 30 });
    destroyKeys(other.token, "vmkek");
    const { status, stdout } = await barbican.run("rewrap", "--json");
    expect(status).toBe(1);
    const { rows, failures } = JSON.parse(stdout) as {
      readonly rows: object;
      readonly failures: readonly { readonly refused: string }[];
    };
    expect(rows).toMatchObject({ moved: 0 });
    expect(failures.filter(({ refused }) => refused === "mkek-missing").length).toBeGreaterThan(30);
    expect(await barbican.rows.check()).toEqual({ moved: 0 });
  });

  test("keeps a second one out while it runs, which ends with 3", async () => {
    await using barbican = await scene();
    const first = barbican.start("rewrap", "--rows-per-second", "100");
    await someMoved(barbican);
    const second = await barbican.run("rewrap");
    expect(second).toMatchObject({ status: 3, stdout: "" });
    expect(second.stderr).toContain("barbican-run-in-progress");
    // A look is no run.
    expect((await barbican.run("rewrap", "--dry-run")).status).toBe(1);
    process.kill(first.pid, "SIGINT");
    expect((await first.ran).status).toBe(1);
    await finishes(barbican);
  });

  test("ends behind the rows that are under way at Ctrl-C, with 1", async () => {
    await using barbican = await scene();
    const running = barbican.start("rewrap", "--rows-per-second", "100", "--json");
    await someMoved(barbican);
    // A terminal sends it to all processes, the unit hosts too.
    process.kill(-running.pid, "SIGINT");
    const { status, stdout, stderr } = await running.ran;
    expect(status).toBe(1);
    expect(stderr).toBe("\nStopping behind the rows that are under way. Once more, and it stops at once.\n");
    const { moved } = await barbican.rows.check();
    expect(moved).toBeLessThan(MOVABLE);
    expect(JSON.parse(stdout)).toMatchObject({
      ended: "interrupted",
      failure: null,
      rows: { moved, left: null },
    });
    await finishes(barbican);
  });

  test("ends at once at the second Ctrl-C, though its token hangs", async () => {
    await using barbican = await scene();
    const before = at.shim.injected();
    at.shim.set({ fn: "C_UnwrapKey", hang: true, skip: 10 });
    const running = barbican.start("rewrap");
    while (at.shim.injected() === before) await sleep(20);
    process.kill(-running.pid, "SIGINT");
    await sleep(300);
    process.kill(-running.pid, "SIGINT");
    expect(await running.ended).toBe("SIGINT");
    at.shim.clear();
    expect(await barbican.rows.check()).toEqual({ moved: 0 });
    await finishes(barbican);
  });
});
