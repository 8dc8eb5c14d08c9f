import { describe, expect, test } from "vitest";
import type { Clock } from "../clock.ts";
import { Failure } from "../errors.ts";
import type { BarbicanDatabase, KekChange, KekRow } from "./barbican-database.ts";
import { pluginMeta } from "./plugin-meta.ts";
import type { ProjectKeyTarget, WrappedProjectKey } from "./project-key.ts";
import type { ProjectKeyToken } from "./project-key-token.ts";
import { readRow } from "./read-row.ts";
import type { RewrapOrder, RewrapResult } from "./rewrap-project-keys.ts";
import { rewrapProjectKeys } from "./rewrap-project-keys.ts";

/* The order in which rows are read, moved and counted. Ports are lists in memory: what is real is in test/barbican. */

const TARGET: ProjectKeyTarget = {
  mkekLabel: "new",
  hmacLabel: "new",
  mechanism: "CKM_AES_KEY_WRAP_KWP",
  generatesIv: false,
};

const idOf = (n: number): string => String(n).padStart(6, "0");

/** A row whose wrapped key is its number, so that a row that gets another's key is seen. */
function rowOf(n: number, mkekLabel = "old"): KekRow {
  const key: WrappedProjectKey = {
    iv: null,
    wrapped: Buffer.from(idOf(n)),
    hmac: Buffer.from("hmac"),
    mkekLabel,
    hmacLabel: mkekLabel,
    mechanism: "CKM_AES_KEY_WRAP_KWP",
  };
  return {
    id: idOf(n),
    pluginMeta: pluginMeta(key),
    isActive: true,
    isDeleted: false,
  };
}

type Rows = Map<string, KekRow>;

const rowsOf = (...rows: readonly KekRow[]): Rows => new Map(rows.map((row) => [row.id, row]));
const oldRows = (count: number): Rows => rowsOf(...Array.from({ length: count }, (_, n) => rowOf(n)));

/** Labels and wrapped text of each row, in order. */
function contentOf(rows: Rows): readonly string[] {
  return [...rows.values()]
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map((row) => {
      const read = readRow(row);
      if (read === "unbound") return read;
      return "unreadable" in read
        ? "unreadable"
        : `${read.key.mkekLabel} ${Buffer.from(read.key.wrapped).toString()}`;
    });
}

const moved = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `new ${idOf(n)}`);

interface Scene {
  readonly rows: Rows;
  readonly order?: Partial<RewrapOrder>;
  readonly clock?: Clock;
  /** Called before each call of a port, with its name and how often that was called. */
  readonly before?: (call: "kekRows" | "rewrap" | "replace", nth: number) => void | Promise<void>;
}

const STILL: Clock = { nowMs: () => 0, sleep: () => Promise.resolve() };

function run({ rows, order, clock = STILL, before = () => {} }: Scene): Promise<RewrapResult> {
  const calls = { kekRows: 0, rewrap: 0, replace: 0 };
  const called = async (call: keyof typeof calls): Promise<void> => before(call, (calls[call] += 1));
  const database: BarbicanDatabase = {
    facts: { kind: "SQLite", version: "" },
    kekRows: async (after, limit) => {
      await called("kekRows");
      const behind = [...rows.values()].filter(({ id }) => after === null || id > after);
      return behind.toSorted((a, b) => (a.id < b.id ? -1 : 1)).slice(0, limit);
    },
    replace: async (changes: readonly KekChange[]) => {
      await called("replace");
      const written = changes.filter(({ id, from }) => rows.get(id)?.pluginMeta === from);
      for (const { id, to } of written) rows.set(id, { ...(rows.get(id) ?? rowOf(0)), pluginMeta: to });
      return new Set(written.map(({ id }) => id));
    },
    projectOf: (id) => Promise.resolve(`project of ${id}`),
    countKekRows: () => Promise.resolve(rows.size),
    secretRows: () => Promise.resolve([]),
    countSecretRows: () => Promise.resolve(0),
    lockOutOthers: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  const token: Pick<ProjectKeyToken, "rewrap"> = {
    rewrap: async (keys, { mkekLabel, hmacLabel, mechanism }) => {
      if (keys.length === 0) return [];
      await called("rewrap");
      return keys.map((key) =>
        key.mkekLabel === "poison"
          ? { refused: "hmac-mismatch" }
          : { ...key, mkekLabel, hmacLabel, mechanism },
      );
    },
  };
  const usual = {
    isDryRun: false,
    rowsPerSecond: Number.POSITIVE_INFINITY,
    signal: new AbortController().signal,
  };
  return rewrapProjectKeys({ database, token, clock }, { target: TARGET, ...usual, ...order });
}

describe("a rewrap", () => {
  test("moves every row, and looks at all of them once more", async () => {
    const rows = oldRows(2_500);
    const passes: number[] = [];
    const result = await run({ rows, order: { onPage: ({ pass }) => passes.push(pass) } });
    expect(contentOf(rows)).toEqual(moved(2_500));
    expect(result).toMatchObject({
      ended: "complete",
      moved: 2_500,
      already: 0,
      left: 0,
      failed: { count: 0 },
    });
    expect(result.before).toMatchObject([{ mkekLabel: "old", rows: 2_500 }]);
    expect(result.after).toMatchObject([{ mkekLabel: "new", rows: 2_500 }]);
    expect(passes).toEqual([1, 1, 1, 2, 2, 2]);
  });

  test("finds and moves a row that came under the old labels behind what it had read", async () => {
    const rows = oldRows(2_000);
    rows.delete(idOf(3));
    const before = (call: string, nth: number): void => {
      if (call === "kekRows" && nth === 2) rows.set(idOf(3), rowOf(3));
    };
    const result = await run({ rows, before });
    expect(contentOf(rows)).toEqual(moved(2_000));
    expect(result).toMatchObject({ ended: "complete", moved: 2_000, left: 0 });
  });

  test("does not write over what somebody else has changed meanwhile, and looks at it again", async () => {
    const rows = oldRows(10);
    const theirs = { ...rowOf(4), pluginMeta: rowOf(77).pluginMeta };
    const before = (call: string, nth: number): void => {
      if (call === "replace" && nth === 1) rows.set(theirs.id, theirs);
    };
    const result = await run({ rows, before });
    expect(contentOf(rows)[4]).toBe(`new ${idOf(77)}`);
    expect(result).toMatchObject({ ended: "complete", moved: 10, changedMeanwhile: 1, left: 0 });
  });

  test("does not bring back a row that was removed meanwhile", async () => {
    const rows = oldRows(10);
    const result = await run({ rows, before: (call) => void (call === "replace" && rows.delete(idOf(4))) });
    expect(rows.size).toBe(9);
    expect(result).toMatchObject({ ended: "complete", moved: 9, changedMeanwhile: 1, left: 0 });
  });

  test("goes on beside rows that cannot be moved, leaves them as they are, and names each once", async () => {
    const broken: KekRow = { ...rowOf(2), pluginMeta: "{", isDeleted: true };
    const unbound: KekRow = { ...rowOf(3), pluginMeta: null };
    const rows = rowsOf(rowOf(0), rowOf(1, "poison"), broken, unbound, rowOf(4), rowOf(5, "new"));
    const result = await run({ rows });
    const wanted = [
      `new ${idOf(0)}`,
      `poison ${idOf(1)}`,
      "unreadable",
      "unbound",
      `new ${idOf(4)}`,
      `new ${idOf(5)}`,
    ];
    expect(contentOf(rows)).toEqual(wanted);
    expect(result).toMatchObject({ ended: "complete", moved: 2, already: 1, unbound: 1, left: 2 });
    expect(result.failed).toMatchObject({
      count: 2,
      named: [
        {
          id: idOf(2),
          projectId: `project of ${idOf(2)}`,
          state: "soft-deleted",
          refused: "unreadable",
          detail: "it is no JSON",
        },
        { id: idOf(1), state: "active", refused: "hmac-mismatch", detail: null },
      ],
    });
  });

  test("follows a Barbican that keeps adding rows for ten passes, and says that some are left", async () => {
    const rows = oldRows(1);
    let added = 0;
    const before = (call: string): void => {
      if (call === "kekRows") rows.set(idOf(1_000 + added), rowOf(1_000 + (added += 1) - 1));
    };
    const result = await run({ rows, before });
    expect(added).toBe(10);
    expect(result).toMatchObject({ ended: "complete", moved: 11, failed: { count: 0 }, left: 1 });
    expect(result.after).toMatchObject([
      { mkekLabel: "new", rows: 10 },
      { mkekLabel: "old", rows: 1 },
    ]);
  });

  test("that is dry opens and wraps every row once, and writes none", async () => {
    const rows = oldRows(1_500);
    const calls: string[] = [];
    const result = await run({ rows, order: { isDryRun: true }, before: (call) => void calls.push(call) });
    expect(contentOf(rows)[0]).toBe(`old ${idOf(0)}`);
    expect(calls.toSorted()).toEqual(["kekRows", "kekRows", "rewrap", "rewrap"]);
    expect(result).toMatchObject({ ended: "complete", moved: 1_500, left: undefined, after: undefined });
  });

  test("that is interrupted ends behind the pages that are under way, and the next run goes on", async () => {
    const rows = oldRows(5_000);
    const interruption = new AbortController();
    const before = (call: string, nth: number): void => {
      if (call === "replace" && nth === 2) interruption.abort();
    };
    const result = await run({ rows, order: { signal: interruption.signal }, before });
    const written = contentOf(rows).filter((text) => text.startsWith("new")).length;
    expect(result).toMatchObject({ ended: "interrupted", moved: written, left: undefined });
    expect(written).toBeGreaterThanOrEqual(2_000);
    expect(written).toBeLessThan(5_000);
    expect(await run({ rows })).toMatchObject({
      ended: "complete",
      moved: 5_000 - written,
      already: written,
      left: 0,
    });
    expect(contentOf(rows)).toEqual(moved(5_000));
  });

  test("whose token or database fails ends with what it has done, whichever call it was", async () => {
    for (const call of ["kekRows", "rewrap", "replace"] as const) {
      for (const nth of [1, 2, 3, 5]) {
        const rows = oldRows(5_000);
        const before = (called: string, times: number): void => {
          if (called === call && times === nth) throw new Failure("unit-unreachable", "gone");
        };
        const result = await run({ rows, before });
        const written = contentOf(rows).filter((text) => text.startsWith("new")).length;
        expect(result, `${call} ${nth}`).toMatchObject({
          ended: "failed",
          failure: { code: "unit-unreachable" },
          moved: written,
          left: undefined,
        });
        expect(await run({ rows })).toMatchObject({ ended: "complete", left: 0 });
        expect(contentOf(rows)).toEqual(moved(5_000));
      }
    }
  });

  test("does not lose a failure that comes while it waits for the next page", async () => {
    const rows = oldRows(3_000);
    const before = (call: string, nth: number): Promise<void> | undefined => {
      if (call === "rewrap" && nth === 1) throw new Failure("unit-unreachable", "gone");
      // Long after the failure of the page before.
      return call === "kekRows" && nth > 1 ? new Promise((resolve) => setTimeout(resolve, 5)) : undefined;
    };
    expect(await run({ rows, before })).toMatchObject({ ended: "failed", moved: 0 });
  });

  test("whose writing has failed once writes nothing more, for the pages under way either", async () => {
    const rows = oldRows(5_000);
    let writes = 0;
    const before = async (call: string, nth: number): Promise<void> => {
      if (call !== "replace") return;
      writes += 1;
      if (nth === 1) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        throw new Failure("barbican-database-failed", "gone");
      }
    };
    // The pages behind it are ready to be written when it has failed.
    const slow = (call: string, nth: number): Promise<void> => {
      if (call === "rewrap" && nth > 1) return new Promise((resolve) => setTimeout(resolve, 20));
      return before(call, nth);
    };
    expect(await run({ rows, before: slow })).toMatchObject({ ended: "failed", moved: 0 });
    expect(writes).toBe(1);
  });

  test("that fails at the recount still names the rows that failed before", async () => {
    const rows = rowsOf(rowOf(0), rowOf(1, "poison"));
    const before = (call: string, nth: number): void => {
      if (call === "kekRows" && nth === 2) throw new Failure("barbican-database-failed", "gone");
    };
    const result = await run({ rows, before });
    expect(result).toMatchObject({
      ended: "failed",
      moved: 1,
      failed: { count: 1, named: [{ id: idOf(1) }] },
    });
  });

  test("throws what is a defect, and no failure of a port", async () => {
    const before = (call: string): void => {
      if (call === "replace") throw new TypeError("a defect");
    };
    await expect(run({ rows: oldRows(1), before })).rejects.toThrow(TypeError);
  });

  test("keeps to its rows a second, evenly", async () => {
    let nowMs = 0;
    const clock: Clock = {
      nowMs: () => nowMs,
      sleep: async (ms) => void (nowMs += ms),
    };
    const begun: number[] = [];
    const before = (call: string): void => {
      if (call === "rewrap") begun.push(nowMs);
    };
    const result = await run({ rows: oldRows(1_000), clock, order: { rowsPerSecond: 100 }, before });
    expect(result).toMatchObject({ moved: 1_000, left: 0 });
    expect(begun).toEqual(Array.from({ length: 10 }, (_, second) => second * 1_000));
    // The recount keeps to it, too.
    expect(nowMs).toBe(19_000);
  });

  test("that is interrupted while it waits begins no other page", async () => {
    const interruption = new AbortController();
    const clock: Clock = { nowMs: () => 0, sleep: async () => interruption.abort() };
    const rows = oldRows(300);
    const order = { rowsPerSecond: 100, signal: interruption.signal };
    expect(await run({ rows, clock, order })).toMatchObject({ ended: "interrupted", moved: 100 });
  });
});
