import { readFileSync, writeFileSync } from "node:fs";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Act, Deed } from "./test-entries/acts.ts";
import {
  aCall,
  anAct,
  entry,
  failure,
  isAlive,
  json,
  logged,
  nameAt,
  PATIENT,
  pidOf,
  Scene,
  until,
} from "./test-entries/scene.ts";

describe("starts", () => {
  test("a refused one is made once, by the first of all hosts, and is what open fails with", async () => {
    await using scene = new Scene();
    const log = scene.log();
    const act: Act = { log, deed: { kind: "refuse", code: "unit-pin-wrong" } };
    const refused = await failure(scene.open({ hosts: 4, start: () => json(act) }));
    expect(refused.code).toBe("unit-pin-wrong");
    expect(logged(log)).toHaveLength(1);
  });

  test("a refused one of a replacement stops all hosts, and no call is answered", async () => {
    await using scene = new Scene();
    const log = scene.log();
    let deed: Deed = { kind: "answer" };
    await scene.open({ hosts: 2, start: () => json({ log, deed } satisfies Act) });
    const { pool } = scene;
    const { pids } = pool.stats;
    deed = { kind: "refuse", code: "unit-pin-wrong" };
    await failure(pool.call(anAct({ kind: "crash" }, { isRepeatable: false })));
    const waiting = Array.from({ length: 5 }, () => pool.call(aCall({ lane: "generation" })));
    for (const call of waiting) expect((await failure(call)).code).toBe("unit-unreachable");
    const { code, message } = await failure(pool.call(aCall()));
    expect([code, message]).toEqual(["unit-unreachable", "it is refused"]);
    await until(() => !pids.some(isAlive));
    expect(logged(log)).toHaveLength(3);
  });

  test("trouble is tried again, and what a host is started with is wiped", async () => {
    await using scene = new Scene();
    const log = scene.log();
    const payloads: Buffer[] = [];
    const start = (): Buffer => {
      const payload = json({ log, deed: { kind: "trouble", retry: "here" }, times: 3 } satisfies Act);
      payloads.push(payload);
      return payload;
    };
    await scene.open({ start });
    const { pool } = scene;
    expect(logged(log)).toHaveLength(4);
    expect(payloads).toHaveLength(4);
    expect(payloads.every((payload) => payload.every((byte) => byte === 0))).toBe(true);
    expect(await pool.call(aCall())).toEqual(Uint8Array.of(7));
  });

  test("one that is of no use to try again fails open", async () => {
    await using scene = new Scene();
    const log = scene.log();
    const act: Act = { log, deed: { kind: "trouble", retry: "never" } };
    expect((await failure(scene.open({ start: () => json(act) }))).code).toBe("unit-unreachable");
    expect((await failure(scene.open({ start: () => json({ deed: { kind: "break" } }) }))).code).toBe(
      "internal",
    );
    expect(logged(log)).toHaveLength(1);
  });

  test("one that hangs is ended", async () => {
    await using scene = new Scene();
    const act: Act = { deed: { kind: "hang" } };
    const told = await failure(
      scene.open({ start: () => json(act), deadlinesMs: { ...PATIENT, start: 400 } }),
    );
    expect(told.code).toBe("unit-unreachable");
  });

  test("come one after the other", async () => {
    await using scene = new Scene();
    const spans = scene.log("spans");
    const act: Act = { log: spans, deed: { kind: "sleep", ms: 50 } };
    let starting = 0;
    const lengths: number[] = [];
    const start = (): Buffer => {
      starting += 1;
      lengths.push(starting === 1 ? 0 : logged(spans).length);
      return json(act);
    };
    await scene.open({ hosts: 3, start });
    // Each is asked for when the one before it has been done.
    expect(lengths).toEqual([0, 1, 2]);
  });
});

describe("hosts that crash or hang", () => {
  test("a crash costs repeatable calls nothing, and the host is replaced", async () => {
    await using scene = await Scene.open({ hosts: 2 });
    const { pool } = scene;
    const log = scene.log();
    await pool.call(anAct({ log, deed: { kind: "crash" }, times: 1 }));
    expect(new Set(logged(log)).size).toBe(2);
    await until(() => pool.stats.running === 2);
    expect(pool.stats).toMatchObject({ restarts: 1, repeated: 1 });
    expect(scene.troubles).toEqual(["a unit host was ended by SIGSEGV; another one is started"]);
  });

  test("what must not be done twice is not, and nobody claims to know whether it was done", async () => {
    await using scene = await Scene.open({ hosts: 2 });
    const { pool } = scene;
    const log = scene.log();
    const told = await failure(pool.call(anAct({ log, deed: { kind: "crash" } }, { isRepeatable: false })));
    expect(told.code).toBe("unit-unreachable");
    expect(told.message).toContain("not known");
    expect(logged(log)).toHaveLength(1);
  });

  test("what was answered stays answered, and a request that ends every host takes no other with it", async () => {
    await using scene = await Scene.open({ hosts: 2 });
    const { pool } = scene;
    const log = scene.log();
    const before = Array.from({ length: 20 }, () => pool.call(aCall({ home: "0" })));
    const crash = failure(pool.call(anAct({ log, deed: { kind: "crash" } }, { home: "0" })));
    const after = Array.from({ length: 150 }, () => pool.call(aCall({ home: "0" })));
    expect(await Promise.all([...before, ...after])).toHaveLength(170);
    expect((await crash).code).toBe("unit-unreachable");
    expect(logged(log)).toHaveLength(2);
  });

  test.for([
    { kind: "hang", hosts: 1, quick: 1_000 },
    { kind: "spin", hosts: 2, quick: 300 },
  ] as const)("one of $hosts that is silent ($kind) is ended, and service goes on", async (given) => {
    const { kind, hosts, quick } = given;
    await using scene = await Scene.open({ hosts, deadlinesMs: { ...PATIENT, quick } });
    const { pool } = scene;
    const log = scene.log();
    // The timer is set for the longer deadline first, and must not wait for that.
    await pool.call(aCall({ home: "a", deadline: "generate" }));
    const hung = pool.call(anAct({ log, deed: { kind }, times: 1 }, { home: "a" }));
    await Promise.all([hung, pool.call(aCall({ home: "a" }))]);
    expect(new Set(logged(log)).size).toBe(2);
    expect(scene.troubles).toEqual([
      "a unit host did not answer in time and was ended; another one is started",
    ]);
  });

  test("nothing is sent behind a request that is repeated, until that is answered", async () => {
    await using scene = await Scene.open({ hosts: 2, deadlinesMs: { ...PATIENT, quick: 300 } });
    const { pool } = scene;
    const hung = failure(pool.call(anAct({ kind: "hang" }, { home: nameAt(0, 2) })));
    await until(() => pool.stats.repeated === 1);
    await sleep(50);
    const behind = aCall({ home: nameAt(1, 2), isRepeatable: false, deadline: "batch" });
    expect(await pool.call(behind)).toEqual(Uint8Array.of(7));
    expect((await hung).code).toBe("unit-unreachable");
  });

  test("a host that goes on, however slowly, is let", async () => {
    await using scene = await Scene.open({ deadlinesMs: { ...PATIENT, quick: 500 } });
    const { pool } = scene;
    const slow = Array.from({ length: 8 }, () => pool.call(anAct({ kind: "sleep", ms: 80 })));
    await Promise.all(slow);
    expect(pool.stats).toMatchObject({ restarts: 0, repeated: 0 });
  });

  test("an event loop that was busy itself does not blame the host", async () => {
    await using scene = await Scene.open({ deadlinesMs: { ...PATIENT, quick: 300 } });
    const { pool } = scene;
    const answers = [20, 530].map((ms) => pool.call(anAct({ kind: "sleep", ms })));
    // Busy where timers come next, and only then what can be read.
    await setImmediate();
    for (const endMs = Date.now() + 450; Date.now() < endMs;);
    await Promise.all(answers);
    expect(pool.stats).toMatchObject({ restarts: 0, repeated: 0 });
  });

  test("a host that crashes and leaves a process behind, which holds its pipe open, is replaced", async () => {
    await using scene = await Scene.open();
    const { pool } = scene;
    await failure(pool.call(anAct({ kind: "abandon" }, { isRepeatable: false })));
    expect(await pool.call(aCall({ deadline: "batch" }))).toEqual(Uint8Array.of(7));
  });

  test("a host whose answers cannot be read is ended", async () => {
    await using scene = await Scene.open({ entry: entry("garbled-host") });
    const { pool } = scene;
    await failure(pool.call(aCall({ isRepeatable: false })));
    expect(scene.troubles[0]).toContain("sent what cannot be read");
  });

  test("while a home is replaced, the next host stands in for what may be repeated, and the rest waits", async () => {
    await using scene = await Scene.open({ hosts: 2 });
    const { pool } = scene;
    const home = nameAt(0, 2);
    const [pid, next] = await Promise.all(
      [0, 1].map((host) => pidOf(pool.call(anAct({ kind: "answer" }, { home: nameAt(host, 2) })))),
    );
    process.kill(pid ?? 0, "SIGKILL");
    await until(() => pool.stats.running === 1);
    const waiting = pidOf(pool.call(anAct({ kind: "answer" }, { home, isRepeatable: false })));
    expect(pool.stats.waiting).toBe(1);
    expect(await pidOf(pool.call(anAct({ kind: "answer" }, { home })))).toBe(next);
    expect([pid, next]).not.toContain(await waiting);
  });

  test("a call for which no host runs fails at its deadline, and service is back soon after the fault", async () => {
    await using scene = new Scene();
    const flag = scene.log("fault");
    const start = (): Buffer => {
      const isBroken = readFileSync(flag, "utf8") === "broken";
      return json({ deed: isBroken ? { kind: "crash" } : { kind: "answer" } } satisfies Act);
    };
    writeFileSync(flag, "well");
    await scene.open({ start, deadlinesMs: { ...PATIENT, quick: 300 } });
    const { pool } = scene;
    writeFileSync(flag, "broken");
    await failure(pool.call(anAct({ kind: "crash" }, { isRepeatable: false })));
    const late = pool.call(aCall({ deadline: "batch" }));
    const early = pool.call(aCall());
    expect((await failure(early)).message).toBe("no unit host ran in time");
    await until(() => pool.stats.restarts >= 2);
    writeFileSync(flag, "well");
    expect(await late).toEqual(Uint8Array.of(7));
  });
});
