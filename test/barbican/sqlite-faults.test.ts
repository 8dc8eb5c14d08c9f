import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, statSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isWithout } from "../set-up/without.ts";
import type { Scene, SceneToken } from "./rewrap-scene.ts";
import { newScene, sceneToken } from "./rewrap-scene.ts";
import type { Ran } from "./run-clavigerd.ts";

/* The SQLite file of a Barbican cannot be written, or not any more, while project keys are moved. */

const MOVABLE = 400;

/** For root a file without write permission is none: a mount namespace makes one (root, or user namespaces for everybody). */
const withoutMounts = (process.env["CLAVIGER_TEST_WITHOUT"] ?? "").split(",").includes("mounts");

const path = ({ place }: Scene): string => place.url.replace("sqlite:///", "");

describe.skipIf(isWithout("softhsm2"))("a rewrap", { timeout: 60_000 }, () => {
  let at: SceneToken;
  beforeAll(() => {
    at = sceneToken();
  });
  afterAll(() => at?.[Symbol.dispose]());
  const scene = (): Promise<Scene> => newScene({ ...at, movable: MOVABLE });

  const ended = async (
    barbican: Scene,
    { status, stderr }: Ran,
    wanted: number,
    code: string,
  ): Promise<void> => {
    expect({ status, stderr }).toEqual({ status: wanted, stderr: expect.stringContaining(code) as string });
    expect(await barbican.secretIn(stderr)).toBeUndefined();
  };
  const finishes = async (barbican: Scene): Promise<void> => {
    expect((await barbican.run("rewrap")).status).toBe(1); // for the rows that no run can move
    expect(await barbican.rows.check()).toEqual({ moved: MOVABLE });
  };

  test("gives up a database that somebody else keeps locked, with 6", async () => {
    await using barbican = await scene();
    const running = barbican.start("rewrap", "--rows-per-second", "100");
    while ((await barbican.rows.check()).moved === 0) await sleep(20);
    const other = new DatabaseSync(path(barbican), { timeout: 5_000 });
    other.exec("BEGIN IMMEDIATE");
    const ran = await running.ran;
    other.exec("ROLLBACK");
    other.close();
    await ended(barbican, ran, 6, "barbican-database-failed");
    const { moved } = await barbican.rows.check();
    expect(ran.stdout).toContain(`${moved} project keys moved`);
    await finishes(barbican);
  });

  test("is one on a database, by whatever name it is reached", async () => {
    await using barbican = await scene();
    const running = barbican.start("rewrap", "--rows-per-second", "100");
    while ((await barbican.rows.check()).moved === 0) await sleep(20);
    const link = join(barbican.folder, "link.sqlite");
    symlinkSync(path(barbican), link);
    barbican.configure({ connection: `sqlite:///${link}` });
    await ended(barbican, await barbican.run("rewrap"), 3, "barbican-run-in-progress");
    process.kill(running.pid, "SIGINT");
    expect((await running.ran).status).toBe(1);
    await finishes(barbican);
  });

  test.skipIf(withoutMounts)("this machine can mount for a test (else CLAVIGER_TEST_WITHOUT=mounts)", () => {
    const { status } = spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], {
      stdio: "ignore",
    });
    expect(status, "`unshare -m` and `mount` must work: run as root, or name `mounts`").toBe(0);
  });

  test.skipIf(withoutMounts).for([
    ["file", path],
    ["folder", (barbican: Scene) => dirname(path(barbican))],
  ] as const)("on a read-only %s ends with 3 before it begins", async ([, placeOf]) => {
    await using barbican = await scene();
    const place = placeOf(barbican);
    const readOnly = [`mount --bind ${place} ${place}`, `mount -o remount,ro,bind ${place}`];
    await ended(
      barbican,
      await barbican.runMounted(readOnly, ":", "rewrap"),
      3,
      "barbican-database-unsuitable",
    );
    expect(await barbican.rows.check()).toEqual({ moved: 0 });
    await finishes(barbican);
  });

  test.skipIf(withoutMounts)("on a full disk ends with 6, and nothing is half written", async () => {
    await using barbican = await scene();
    const disk = join(barbican.folder, "disk");
    mkdirSync(disk);
    const database = path(barbican);
    const there = join(disk, "barbican.sqlite");
    // Room for the lock and the first pages of the journal.
    const sizeKib = Math.ceil(statSync(database).size / 1024) + 64;
    const small = [`mount -t tmpfs -o size=${sizeKib}k,mode=0700 tmpfs ${disk}`, `cp ${database} ${there}`];
    barbican.configure({ connection: `sqlite:///${there}` });
    const ran = await barbican.runMounted(
      small,
      `cp ${there}* ${dirname(database)}; mv ${dirname(database)}/barbican.sqlite ${database}`,
      "rewrap",
    );
    await ended(barbican, ran, 6, "barbican-database-failed");
    expect(ran.stderr).toMatch(/disk is full|disk I\/O error/);
    expect(existsSync(join(dirname(database), "barbican.sqlite-journal"))).toBe(false);
    expect(await barbican.rows.check()).toEqual({ moved: 0 });
    barbican.configure();
    await finishes(barbican);
  });
});
