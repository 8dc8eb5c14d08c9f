import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { advance } from "../../packages/server/src/core/master-key-change/transitions.ts";
import type { ChangeEvent } from "../../packages/server/src/core/master-key-change/transitions.ts";
import {
  allAtOnce,
  columnTypes,
  postgresQueries,
} from "../../packages/server/src/store/dialects/postgres.ts";
import { openPostgresStore } from "../../packages/server/src/store/postgres-store.ts";
import type { Statement, StatementResult } from "../../packages/server/src/store/script.ts";
import type { ScriptName } from "../../packages/server/src/store/scripts.ts";
import { scriptNamed } from "../../packages/server/src/store/scripts.ts";
import { present } from "../contracts/crypto-unit-contract.ts";
import { SCOPE } from "../contracts/store/samples.ts";
import { A, B, CHANGE_ID, changeIn } from "../model/arbitrary-facts.ts";
import { isWithout } from "../set-up/without.ts";
import type { PostgresServer } from "./server.ts";
import { startPostgres } from "./server.ts";

/*
 * The statements that meet every KEK row, on a table of 100 000: each finds its rows along an index, in the order in which
 * it wants them. A sort or a scan for each batch makes re-enciphering quadratic.
 */
const ROWS = 100_000;
let server: PostgresServer;
let client: Client;

/** How PostgreSQL means to find the rows of every statement on `keks` that a script runs; nothing stays of what it did. */
async function plansOf(name: ScriptName, input: object): Promise<readonly string[]> {
  const plans: string[] = [];
  const script = scriptNamed(name).script(postgresQueries, input as never);
  await client.query("BEGIN");
  for (let step = script.next(); !step.done;) step = script.next(await run(step.value, plans));
  await client.query("ROLLBACK");
  return plans;
}

async function run(statement: Statement, plans: string[]): Promise<StatementResult> {
  if ("hold" in statement) return 0;
  const text = "sql" in statement ? statement.sql : allAtOnce(statement.update);
  const values =
    "sql" in statement
      ? [...statement.parameters]
      : statement.update.values.map((_, at) => statement.rows.map((row) => row[at]));
  if (/\bkeks\b/.test(text)) {
    const { rows } = await client.query<{ "QUERY PLAN": string }>(`EXPLAIN ${text}`, values);
    plans.push(rows.map((row) => row["QUERY PLAN"].trim()).join("; "));
  }
  const { rows, rowCount } = await client.query<object>(text, values);
  return "returnsRows" in statement && statement.returnsRows ? rows : (rowCount ?? 0);
}

const order = { changeId: CHANGE_ID, generation: 4 };
const claim = { lease: { owner: "w", nowMs: 1, untilMs: 2 }, limit: 100 };
const SORTS = /Sort/;
const SCANS = /Seq Scan on keks/;

describe.skipIf(isWithout("postgresql"))("plans of the statements that meet every row, on PostgreSQL", () => {
  beforeAll(async () => {
    server = await startPostgres();
    const address = server.address(await server.newDatabase());
    const store = await openPostgresStore(address);
    await store.createFence({ ...SCOPE, currentVp: A, atMs: 1 });
    await store.openChange({ change: changeIn("PLANNED"), note: "" });
    for (const event of [{ name: "staged", to: B }, { name: "reencipher" }] satisfies ChangeEvent[]) {
      const change = present(await store.readChange({ id: CHANGE_ID }));
      const fence = present(await store.readFence(SCOPE));
      const step = advance(change, fence, event);
      const entry = { atMs: 1, state: step.state, by: "alice", note: "" };
      await store.transition({ change, generation: fence.generation, advance: step, amendment: {}, entry });
    }
    await store.close();
    client = new Client({ ...address, ssl: false, types: columnTypes });
    await client.connect();
    await client.query(
      `INSERT INTO keks (id, project_id, fence_id, kcv, wrapped, mk, wrapped_new, mk_new, row_version)
       SELECT 'kek ' || i, 'project ' || i, 1, '\\x00', decode(repeat('00', 81), 'hex'), 1,
         CASE WHEN i % 2 = 0 THEN decode(repeat('00', 81), 'hex') END, CASE WHEN i % 2 = 0 THEN 2 END, 1
       FROM generate_series(1, $1) AS i`,
      [ROWS],
    );
    await client.query("VACUUM ANALYZE");
  });
  afterAll(async () => {
    await client.end();
    await server[Symbol.asyncDispose]();
  });

  test("untried rows are claimed along the index, in its order", async () => {
    const plans = await plansOf("claimRows", { ...order, ...claim, which: { rows: "untried" } });
    expect(plans).toEqual([expect.stringMatching(/^Limit .*Index Scan using keks_by_next_pattern on keks/)]);
    expect(plans.join()).not.toMatch(SORTS);
  });

  test("failed rows are claimed along their index, in its order", async () => {
    const which = { rows: "failed", failedBeforeMs: 9 };
    const plans = await plansOf("claimRows", { ...order, ...claim, which });
    expect(plans).toEqual([expect.stringContaining("Index Scan using keks_failed on keks")]);
    expect(plans.join()).not.toMatch(SORTS);
  });

  test("the outcomes of a batch are written by primary key, in one statement", async () => {
    const outcomes = Array.from({ length: 500 }, (_, i) => ({
      n: 2 * i + 1,
      rowVersion: 1,
      outcome: { blob: new Uint8Array(81) },
    }));
    const plans = await plansOf("commitRows", { ...order, outcomes, nowMs: 1, next: undefined });
    expect(plans).toEqual([expect.stringMatching(/^Update on keks.*Index Scan using keks_pkey on keks/)]);
    expect(plans.join()).not.toMatch(SCANS);
  });

  test("a sweep walks the rows in their order, without a sort for each batch", async () => {
    const sweep = { ...SCOPE, vp: A, after: 100, only: undefined, limit: 500 };
    const [walk] = await plansOf("readSweepRows", sweep);
    expect(walk).toMatch(/^Limit .*Index Scan using keks_pkey on keks/);
    expect(walk).not.toMatch(SORTS);
    const [few] = await plansOf("readSweepRows", { ...sweep, only: [1, 2] });
    expect(few).not.toMatch(SCANS);
  });

  test("a backup walks the rows in the order of their key, without a sort for each page", async () => {
    const [first] = await plansOf("readTableRows", { table: "keks", after: undefined, limit: 500 });
    const [next] = await plansOf("readTableRows", { table: "keks", after: [50_000], limit: 500 });
    for (const plan of [first, next]) {
      expect(plan).toMatch(/^Limit .*Index Scan using keks_pkey on keks/);
      expect(plan).not.toMatch(SORTS);
    }
  });

  test.each([
    ["FINALIZING", "finalizeRows"],
    ["CANCELING", "dropNextForms"],
  ] as const)("%s takes its rows along an index, in its order", async (state, name) => {
    await client.query("UPDATE changes SET state = $1", [state]);
    const plans = await plansOf(name, { ...order, limit: 500 });
    await client.query("UPDATE changes SET state = 'REENCIPHERING'");
    expect(plans).toHaveLength(1);
    expect(plans.join()).toMatch(/Limit .*keks_by_next_pattern on keks/);
    expect(plans.join()).toContain("keks_pkey on keks");
    expect(plans.join()).not.toMatch(SORTS);
    expect(plans.join()).not.toMatch(SCANS);
  });
});
