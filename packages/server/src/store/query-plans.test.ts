import { mkdtempSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { SQLInputValue } from "node:sqlite";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { A, B, CHANGE_ID, changeIn } from "../../../../test/model/arbitrary-facts.ts";
import { SCRATCH } from "../../../../test/model/scratch.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../core/ids.ts";
import { advance } from "../core/master-key-change/transitions.ts";
import type { ChangeEvent } from "../core/master-key-change/transitions.ts";
import { compileUpdate, sqliteQueries } from "./dialects/sqlite.ts";
import type { Query, RowUpdates, Statement } from "./script.ts";
import type { ScriptName } from "./scripts.ts";
import { scriptNamed } from "./scripts.ts";
import { openSqliteStore } from "./sqlite-store.ts";

/**
 * The statements that meet every KEK row, on a table of 20 000: each finds its rows by an index or walks them in the
 * order of `n`. A sort or a scan for each batch makes re-enciphering quadratic.
 */
const ROWS = 20_000;
const SCOPE = { group: DEFAULT_GROUP, type: DEFAULT_TYPE };
let folder: string;
let db: DatabaseSync;

beforeAll(async () => {
  folder = mkdtempSync(join(SCRATCH, "claviger-plans-"));
  const path = join(folder, "store.db");
  const store = openSqliteStore({ path, threads: "none" });
  await store.createFence({ ...SCOPE, currentVp: A, atMs: 1 });
  await store.openChange({ change: changeIn("PLANNED"), note: "" });
  for (const event of [{ name: "staged", to: B }, { name: "reencipher" }] satisfies ChangeEvent[]) {
    const change = await store.readChange({ id: CHANGE_ID });
    const fence = await store.readFence(SCOPE);
    if (!change || !fence) throw new Error("the change was not opened");
    const step = advance(change, fence, event);
    const entry = { atMs: 1, state: step.state, by: "alice", note: "" };
    await store.transition({ change, generation: fence.generation, advance: step, amendment: {}, entry });
  }
  await store.close();
  db = new DatabaseSync(path);
  db.exec("BEGIN");
  const insert = db.prepare(
    `INSERT INTO keks (id, project_id, fence_id, kcv, wrapped, mk, wrapped_new, mk_new, row_version)
     VALUES (?, ?, 1, x'00', zeroblob(81), 1, ?, ?, 1)`,
  );
  for (let i = 0; i < ROWS; i++) {
    const done = i % 2 === 0;
    insert.run(`kek ${i}`, `project ${i}`, done ? new Uint8Array(81) : null, done ? 2 : null);
  }
  db.exec("COMMIT");
});

afterAll(() => {
  db.close();
  rmSync(folder, { recursive: true });
});

/** How SQLite means to find the rows of every statement on `keks` or `keys` that a script runs; nothing stays of what it did. */
function plansOf(name: ScriptName, input: object): readonly string[] {
  const plans: string[] = [];
  const script = scriptNamed(name).script(sqliteQueries, input as never);
  db.exec("BEGIN");
  for (let step = script.next(); !step.done; step = script.next(run(step.value, plans)));
  db.exec("ROLLBACK");
  return plans;
}

function run(statement: Statement, plans: string[]) {
  if ("hold" in statement) return 0;
  const { sql, lists, returnsRows } = listsOf(statement);
  if (/\b(?:keks|keys)\b/.test(sql)) {
    const rows = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...(lists[0] ?? []));
    plans.push(rows.map(({ detail }) => String(detail)).join("; "));
  }
  const prepared = db.prepare(sql);
  if (returnsRows) return prepared.all(...(lists[0] ?? []));
  return lists.reduce((changed, list) => changed + Number(prepared.run(...list).changes), 0);
}

/** A statement with the lists of parameters that it is run with. */
function listsOf(statement: Query | RowUpdates) {
  if ("sql" in statement) return { ...statement, lists: [statement.parameters as SQLInputValue[]] };
  const { sql, order } = compileUpdate(statement.update);
  const lists = statement.rows.map((row) => order.map((at) => row[at] as SQLInputValue));
  return { sql, lists, returnsRows: false };
}

const GENERATION = 4;
const order = { changeId: CHANGE_ID, generation: GENERATION };
const claim = { lease: { owner: "w", nowMs: 1, untilMs: 2 }, limit: 100 };
const SORTS = /TEMP B-TREE/;
const SCANS = /\bSCAN\b/;

function inState(state: string, name: ScriptName, input: object): readonly string[] {
  const set = db.prepare("UPDATE changes SET state = ?");
  set.run(state);
  try {
    return plansOf(name, input);
  } finally {
    set.run("REENCIPHERING");
  }
}

describe("plans of the statements that meet every row", () => {
  test("untried rows are claimed along the index, in its order", () => {
    const plans = plansOf("claimRows", { ...order, ...claim, which: { rows: "untried" } });
    expect(plans).toEqual([
      expect.stringContaining("keks_by_next_pattern (fence_id=? AND mk_new=? AND rowid>?)"),
    ]);
  });

  test("a claim that finds no more rows without a second form looks only at those under another one", () => {
    db.exec("UPDATE keks SET wrapped_new = zeroblob(81), mk_new = 2 WHERE mk_new IS NULL AND n > 100");
    const after = { ...claim, lease: { ...claim.lease, owner: "late" }, which: { rows: "untried" } };
    db.exec(`INSERT INTO rewrap_leases VALUES ('first', '${CHANGE_ID}', 100, 9)`);
    const plans = plansOf("claimRows", { ...order, ...after });
    db.exec("DELETE FROM rewrap_leases; UPDATE keks SET wrapped_new = NULL, mk_new = NULL WHERE n % 2 = 0");
    expect(plans).toHaveLength(2);
    expect(plans[1]).toMatch(/mk_new<\?.*mk_new>\?/);
    expect(plans[1]).not.toMatch(SCANS);
  });

  test("failed rows are claimed along their index, in its order", () => {
    const which = { rows: "failed", failedBeforeMs: 9 };
    const plans = plansOf("claimRows", { ...order, ...claim, which });
    expect(plans).toEqual([expect.stringContaining("keks_failed (failed_change=?)")]);
    expect(plans.join()).not.toMatch(SORTS);
  });

  test("outcomes are written by primary key", () => {
    const outcomes = [{ n: 2, rowVersion: 1, outcome: { blob: new Uint8Array(81) } }];
    const plans = plansOf("commitRows", { ...order, outcomes, nowMs: 1, next: undefined });
    expect(plans).toEqual(["SEARCH keks USING INTEGER PRIMARY KEY (rowid=?)"]);
  });

  test("a sweep walks the rows in their order, without a sort for each batch", () => {
    const sweep = { ...SCOPE, vp: A, after: 100, only: undefined, limit: 500 };
    expect(plansOf("readSweepRows", sweep)).toEqual(["SEARCH keks USING INTEGER PRIMARY KEY (rowid>?)"]);
    expect(plansOf("readSweepRows", { ...sweep, only: [1, 2] })).toEqual([
      "SEARCH keks USING INTEGER PRIMARY KEY (rowid=?)",
    ]);
  });

  test.each([
    ["FINALIZING", "finalizeRows"],
    ["CANCELING", "dropNextForms"],
  ] as const)("%s takes its rows along an index, in its order", (state, name) => {
    const plans = inState(state, name, { ...order, limit: 500 });
    expect(plans).toHaveLength(1);
    expect(plans.join()).toContain("keks_by_next_pattern (fence_id=? AND mk_new>? AND mk_new<?)");
    expect(plans.join()).not.toMatch(SORTS);
    expect(plans.join()).not.toMatch(SCANS);
  });

  test("keys are found by id, by name, in pages and when they are due, each along an index and in its order", () => {
    const projectId = "project 1";
    const page = { projectId, limit: 10, after: "7" };
    expect(plansOf("findKey", { projectId, ref: "k" })).toEqual([
      "SEARCH keys USING INDEX keys_by_name (project_id=? AND name=?)",
    ]);
    expect(plansOf("findKey", { projectId, ref: CHANGE_ID })).toEqual([
      expect.stringMatching(/^SEARCH keys USING INDEX sqlite_autoindex_keys_\d \(id=\?\)$/),
    ]);
    for (const destroyed of [true, false])
      expect(plansOf("listKeys", { ...page, destroyed })).toEqual([
        "SEARCH keys USING INDEX keys_of_project (project_id=? AND n>?)",
      ]);
    expect(plansOf("listKeysDue", { nowMs: 1, limit: 10 })).toEqual([
      "SEARCH keys USING INDEX keys_due (deletion_due_ms<?)",
    ]);
  });

  test("counts and the census read indexes alone", () => {
    const counted = plansOf("countProgress", { ...SCOPE, changeId: CHANGE_ID, from: A, to: B });
    expect(counted.length).toBeGreaterThan(5);
    const [failed, ...rest] = counted;
    expect(failed).toContain("keks_failed");
    for (const plan of [...rest, ...plansOf("census", SCOPE)]) {
      expect(plan).toContain("COVERING INDEX");
      expect(plan).not.toMatch(SORTS);
    }
  });
});
