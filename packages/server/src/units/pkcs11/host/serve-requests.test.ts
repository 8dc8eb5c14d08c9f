import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { OP } from "./test-entries/acts.ts";
import { aCall, anAct, entry, isAlive, pidOf, Scene, until } from "./test-entries/scene.ts";

describe("the process of a host", () => {
  test("has the environment that it was given, no core dumps, and no debugger on a signal", async () => {
    await using scene = await Scene.open({ environment: { SOFTHSM2_CONF: "/etc/softhsm2.conf" } });
    const { pool } = scene;
    const about = JSON.parse(Buffer.from(await pool.call(aCall({ op: OP.about }))).toString()) as {
      environment: Record<string, string>;
      flags: string[];
      limits: string;
    };
    // The shell that turns core dumps off adds the folder.
    expect({ ...about.environment, PWD: undefined }).toEqual({ SOFTHSM2_CONF: "/etc/softhsm2.conf" });
    expect(about.flags).toEqual(["--disable-sigusr1"]);
    expect(about.limits).toMatch(/^Max core file size +0 +0 /m);
  });

  test("wipes what it was sent, and what it answered, as soon as that is done", async () => {
    await using scene = await Scene.open();
    const { pool } = scene;
    await pool.call(aCall({ op: OP.keep, payload: Uint8Array.of(1, 2, 3) }));
    expect(await pool.call(aCall({ op: OP.kept }))).toEqual(new Uint8Array(3));
    expect(await pool.call(aCall({ op: OP.lend }))).toEqual(Uint8Array.of(1, 2, 3));
    expect(await pool.call(aCall({ op: OP.lend }))).toEqual(new Uint8Array(3));
  });

  test("is not ended by the signals of a terminal", async () => {
    await using scene = await Scene.open();
    const { pool } = scene;
    const [pid = 0] = pool.stats.pids;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.kill(pid, signal);
    await sleep(50);
    expect(await pidOf(pool.call(anAct({ kind: "answer" })))).toBe(pid);
  });

  test("ends by itself when its daemon was killed", async () => {
    const daemon = spawn(process.execPath, [fileURLToPath(entry("daemon"))], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(daemon.stdout, "data")) as [Buffer];
    const pids = JSON.parse(line.toString()) as number[];
    expect(pids.map(isAlive)).toEqual([true, true]);
    daemon.kill("SIGKILL");
    await once(daemon, "exit");
    await until(() => !pids.some(isAlive));
  });

  test("and all that is around it let the daemon end after close", async () => {
    const daemon = spawn(process.execPath, [fileURLToPath(entry("daemon")), "close"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(daemon.stdout, "data")) as [Buffer];
    expect((JSON.parse(line.toString()) as number[]).map(isAlive)).toEqual([false, false]);
    // Its deadlines are a minute away.
    await Promise.race([
      once(daemon, "exit"),
      sleep(10_000).then(() => Promise.reject(new Error("still there"))),
    ]);
    expect(daemon.exitCode).toBe(0);
  });
});
