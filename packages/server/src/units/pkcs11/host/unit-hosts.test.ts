import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { HostCall } from "./host-call.ts";
import { UnknownHandle } from "./outcomes.ts";
import { OP } from "./test-entries/acts.ts";
import {
  aCall,
  anAct,
  entry,
  failure,
  isAlive,
  logged,
  nameAt,
  PATIENT,
  pidOf,
  Scene,
  until,
} from "./test-entries/scene.ts";
import type { UnitHosts } from "./unit-hosts.ts";

describe("requests", () => {
  let scene: Scene;
  let pool: UnitHosts;
  beforeAll(async () => {
    scene = await Scene.open({ hosts: 2 });
    ({ pool } = scene);
  });
  afterAll(() => scene[Symbol.asyncDispose]());

  test("10,000 calls in one go are answered each with its own bytes, by two hosts", async () => {
    const calls = Array.from({ length: 10_000 }, (_, at) => Buffer.from(`payload ${at}`));
    const answers = await Promise.all(
      calls.map((payload, at) => pool.call(aCall({ payload, home: String(at % 50) }))),
    );
    expect(answers.every((answer, at) => calls[at]?.equals(answer))).toBe(true);
  });

  test("calls are done and answered in their order", async () => {
    const order: number[] = [];
    const lengths = [0, 300_000, 1, 70_000, 5, 5_000_000, 2];
    await Promise.all(
      lengths.map(async (length, at) => {
        const payload = new Uint8Array(length).fill(at);
        expect(Buffer.compare(await pool.call(aCall({ payload, home: "a" })), payload)).toBe(0);
        order.push(at);
      }),
    );
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  test("travel in batches of at most 64, of which two are under way", async () => {
    await using scene = await Scene.open({ entry: entry("batch-counter") });
    const { pool } = scene;
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => pool.call(aCall())));
    expect(Math.max(...answers.map(([items]) => items ?? 0))).toBe(64);
    expect(answers.filter(([items]) => items === 64).length).toBeGreaterThanOrEqual(900);
    expect(Math.max(...answers.map(([, frames]) => frames ?? 0))).toBe(2);
  });

  test("a slow host answers what it has done before it is through with the batch", async () => {
    const order: string[] = [];
    const slow = { kind: "sleep", ms: 60 } as const;
    const calls = ["first", "second", "third"].map(async (name) => {
      await pool.call(anAct(slow, { home: "a" }));
      // Answers of one write are all there before the next turn.
      setImmediate(() => order.push(`after ${name}`));
      order.push(name);
    });
    await Promise.all(calls);
    expect(order.slice(0, 4)).toEqual(["first", "after first", "second", "after second"]);
  });

  test("one that is longer than a frame is refused, and an answer that is, is a fault", async () => {
    const payload = new Uint8Array(16 * 1024 * 1024);
    expect((await failure(pool.call(aCall({ payload })))).code).toBe("internal");
    expect((await failure(pool.call(aCall({ op: OP.long })))).code).toBe("internal");
    expect(await pool.call(aCall())).toEqual(Uint8Array.of(7));
  });

  test("calls of the same name go to the same host", async () => {
    const pids = async (home: string): Promise<Set<number>> => {
      const calls = Array.from({ length: 20 }, () => pidOf(pool.call(anAct({ kind: "answer" }, { home }))));
      return new Set(await Promise.all(calls));
    };
    const [here, there] = [await pids(nameAt(0, 2)), await pids(nameAt(1, 2))];
    expect([here.size, there.size]).toEqual([1, 1]);
    expect(here).not.toEqual(there);
  });

  test("calls without a home go to the host that has least to do", async () => {
    const slow = pidOf(pool.call(anAct({ kind: "sleep", ms: 200 })));
    const quick = await Promise.all([1, 2, 3].map(() => pidOf(pool.call(anAct({ kind: "answer" })))));
    expect(quick.at(0)).not.toBe(await slow);
  });

  test("leave nothing behind", () => {
    expect(pool.stats).toMatchObject({ running: 2, outstanding: 0, waiting: 0, restarts: 0, repeated: 0 });
  });
});

describe("outcomes", () => {
  let scene: Scene;
  let pool: UnitHosts;
  beforeAll(async () => {
    scene = await Scene.open({ hosts: 2 });
    ({ pool } = scene);
  });
  afterAll(() => scene[Symbol.asyncDispose]());

  test("a refusal is the failure that it names, and is not repeated", async () => {
    const log = scene.log("refused");
    const refused = await failure(
      pool.call(anAct({ log, deed: { kind: "refuse", code: "ciphertext-refused" } })),
    );
    expect([refused.code, refused.message]).toEqual(["ciphertext-refused", "it is refused"]);
    expect(logged(log)).toHaveLength(1);
    expect((await failure(pool.call(anAct({ kind: "refuse", code: "toString" })))).code).toBe("internal");
  });

  test("an unknown handle is told as such, and a fault without its words", async () => {
    await expect(pool.call(anAct({ kind: "forget" }))).rejects.toBeInstanceOf(UnknownHandle);
    const fault = await failure(pool.call(anAct({ kind: "break" })));
    expect(fault.code).toBe("internal");
    expect(fault.message).not.toContain("wrong");
    expect(fault.cause).toMatchObject({ message: "the program is wrong" });
  });

  test("trouble that the host has mended is repeated there, once", async () => {
    const log = scene.log("here");
    const deed = { kind: "trouble", retry: "here" } as const;
    const pid = await pidOf(pool.call(anAct({ log, deed, times: 1 })));
    expect(logged(log)).toEqual([String(pid), String(pid)]);

    const again = scene.log("here again");
    expect((await failure(pool.call(anAct({ log: again, deed })))).code).toBe("unit-unreachable");
    expect(logged(again)).toHaveLength(2);
  });

  test("trouble that it could not mend is repeated at another host, once", async () => {
    const log = scene.log("elsewhere");
    const deed = { kind: "trouble", retry: "elsewhere" } as const;
    await pool.call(anAct({ log, deed, times: 1 }));
    expect(new Set(logged(log)).size).toBe(2);

    const again = scene.log("elsewhere again");
    expect((await failure(pool.call(anAct({ log: again, deed })))).code).toBe("unit-unreachable");
    expect(logged(again)).toHaveLength(2);
  });

  test("trouble that comes everywhere is not repeated, and neither is what must not be done twice", async () => {
    const log = scene.log("unrepeated");
    const never = await failure(pool.call(anAct({ log, deed: { kind: "trouble", retry: "never" } })));
    expect(never.message).toBe("CKR_DEVICE_ERROR");
    const once = { isRepeatable: false };
    for (const retry of ["here", "elsewhere"] as const) {
      const told = await failure(pool.call(anAct({ log, deed: { kind: "trouble", retry } }, once)));
      expect(told.code).toBe("unit-unreachable");
      expect(told.message).toContain("not known");
    }
    expect(logged(log)).toHaveLength(3);
  });

  test("no host ends over any of them", () => {
    expect(pool.stats).toMatchObject({ running: 2, outstanding: 0, waiting: 0, restarts: 0 });
  });

  test("a host that cannot mend its session for two seconds is replaced", async () => {
    await using scene = await Scene.open();
    const { pool } = scene;
    const [pid] = pool.stats.pids;
    const trouble = anAct({ kind: "trouble", retry: "elsewhere" }, { isRepeatable: false });
    const troubled = async (ms: number): Promise<void> => {
      const until = performance.now() + ms;
      while (performance.now() < until) await failure(pool.call(trouble));
    };
    await troubled(1_200);
    await pool.call(aCall());
    await troubled(1_200);
    expect(await pidOf(pool.call(anAct({ kind: "answer" })))).toBe(pid);
    await troubled(2_100);
    expect(await pidOf(pool.call(anAct({ kind: "answer" })))).not.toBe(pid);
    expect(scene.troubles[0]).toContain("could not mend its session");
  });
});

describe("the generation lane", () => {
  test("is a host of its own from its first call on, so that nobody waits for a slow generation", async () => {
    await using scene = await Scene.open();
    const { pool } = scene;
    expect(pool.stats.hosts).toBe(1);
    let isDone = false;
    const slow = anAct(
      { kind: "sleep", ms: 300 },
      { lane: "generation", deadline: "generate", isRepeatable: false },
    );
    const generation = pidOf(pool.call(slow)).finally(() => (isDone = true));
    expect(pool.stats.hosts).toBe(2);
    await until(() => pool.stats.running === 2);
    expect(await pidOf(pool.call(anAct({ kind: "answer" })))).not.toBe(pool.stats.pids[1]);
    expect(isDone).toBe(false);
    expect(await generation).toBe(pool.stats.pids[1]);
  });
});

describe("what all hosts are told", () => {
  const told = async (pool: UnitHosts, call: Partial<HostCall>): Promise<{ pid: number; told: string[] }> =>
    JSON.parse(Buffer.from(await pool.call(aCall({ op: OP.told, ...call }))).toString()) as {
      pid: number;
      told: string[];
    };

  test("reaches both lanes, before any call that comes after it", async () => {
    await using scene = await Scene.open({ hosts: 2 });
    const { pool } = scene;
    await pool.call(aCall({ lane: "generation" }));
    await pool.tellAll(OP.tell, Buffer.from("registers changed"));
    const heard = await Promise.all([
      told(pool, { home: nameAt(0, 2) }),
      told(pool, { home: nameAt(1, 2) }),
      told(pool, { lane: "generation" }),
    ]);
    expect(heard.map((host) => host.told)).toEqual([1, 2, 3].map(() => ["registers changed"]));
    expect(new Set(heard.map((host) => host.pid)).size).toBe(3);
  });

  test("goes before what is queued, and reaches a host that is still starting", async () => {
    await using scene = await Scene.open();
    const { pool } = scene;
    const order: string[] = [];
    const calls = Array.from({ length: 300 }, async () => {
      await pool.call(aCall());
      order.push("call");
    });
    await pool.tellAll(OP.tell, Buffer.from("one"));
    order.push("told");
    await Promise.all(calls);
    expect(order.indexOf("told")).toBeLessThanOrEqual(128);

    const starting = pool.call(aCall({ lane: "generation" }));
    await sleep(20);
    await pool.tellAll(OP.tell, Buffer.from("two"));
    await starting;
    expect((await told(pool, { lane: "generation" })).told).toEqual(["two"]);
  });

  test.for(["hang", "refuse"])("ends and replaces a host that does not acknowledge it (%s)", async (how) => {
    await using scene = await Scene.open({ hosts: 2, deadlinesMs: { ...PATIENT, quick: 400 } });
    const { pool } = scene;
    const { pids } = pool.stats;
    await pool.tellAll(OP.tell, Buffer.from(`${how} ${pids[0]}`));
    expect(pids.map(isAlive)).toEqual([false, true]);
    await until(() => pool.stats.running === 2);
    expect(await pool.call(aCall({ home: nameAt(0, 2) }))).toEqual(Uint8Array.of(7));
    expect(pool.stats.restarts).toBe(1);
  });

  test("ends and replaces a host that is busy with something else for too long", async () => {
    await using scene = await Scene.open({ deadlinesMs: { ...PATIENT, quick: 200 } });
    const { pool } = scene;
    const busy = failure(pool.call(anAct({ kind: "hang" }, { deadline: "generate", isRepeatable: false })));
    await sleep(20);
    await pool.tellAll(OP.tell, Buffer.from("registers changed"));
    expect((await busy).message).toContain("not known");
  });
});

describe("close", () => {
  test("has hosts answer what they were sent, and fails the rest", async () => {
    await using scene = await Scene.open();
    const { pool } = scene;
    const { pids } = pool.stats;
    const sent = pool.call(anAct({ kind: "sleep", ms: 100 }));
    await sleep(20);
    const unsent = pool.call(aCall());
    const closed = pool.close();
    expect((await failure(unsent)).message).toBe("the unit is closed");
    expect(Buffer.from(await sent).toString()).toBe(String(pids[0]));
    await closed;
    expect(pids.some(isAlive)).toBe(false);
    expect((await failure(pool.call(aCall()))).code).toBe("unit-unreachable");
    expect(scene.troubles).toEqual([]);
  });

  test("ends a host that hangs, after a second", async () => {
    await using scene = await Scene.open();
    const { pool } = scene;
    const { pids } = pool.stats;
    const hung = failure(pool.call(anAct({ kind: "hang" }, { isRepeatable: false })));
    await sleep(20);
    await pool.close();
    expect(pids.some(isAlive)).toBe(false);
    expect((await hung).message).toContain("not known");
  });
});
