import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ScriptRunner } from "./script-runner.ts";
import { openSqliteStore } from "./sqlite-store.ts";

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "claviger-runner-"));
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

test("threads that cannot open the database fail their calls, and the next one goes on when it can", async () => {
  const path = join(parent, "later", "store.db");
  const runner = new ScriptRunner({ path, readOnly: false });
  const early = Promise.allSettled([runner.run("listUnits", {}), runner.run("listUnits", {})]);
  expect((await early).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  await expect(runner.run("listUnits", {})).rejects.toMatchObject({ code: "store-failed" });
  mkdirSync(join(parent, "later"));
  await openSqliteStore({ path, threads: "none" }).close();
  await expect(runner.run("listUnits", {})).resolves.toEqual([]);
  await runner.close();
});

test("a runner is closed while no thread runs, and refuses what waited and what comes after", async () => {
  const runner = new ScriptRunner({ path: join(parent, "never", "store.db"), readOnly: false });
  await expect(runner.run("listUnits", {})).rejects.toMatchObject({ code: "store-failed" });
  const waiting = runner.run("listUnits", {});
  const [refused] = await Promise.allSettled([waiting, runner.close()]);
  expect(refused).toMatchObject({ status: "rejected", reason: { code: "store-failed" } });
  await expect(runner.run("listUnits", {})).rejects.toMatchObject({ code: "store-failed" });
});
