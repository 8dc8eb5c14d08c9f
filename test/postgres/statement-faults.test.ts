import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPostgresStore } from "../../packages/server/src/store/postgres-store.ts";
import { SCRIPTS } from "../../packages/server/src/store/scripts.ts";
import { checkLedger, emptyLedger } from "../crash/client-load.ts";
import { clockOf } from "../crash/clock-ahead.ts";
import { CHANGES_AFTERWARDS, EVERY_WRITE, NOT_AMONG_THEM } from "../crash/every-write.ts";
import type { Step } from "../crash/operator.ts";
import { Operator } from "../crash/operator.ts";
import { REQUESTS } from "../crash/requests.ts";
import { administrator } from "../crash/service.ts";
import { fillBase } from "../crash/templates.ts";
import { halfFailed, requestsThroughFaults, throughFaults } from "../crash/through-faults.ts";
import { startTestDaemon } from "../daemon.ts";
import { SCRATCH } from "../model/scratch.ts";
import { isWithout } from "../set-up/without.ts";
import type { Fault } from "./failing-statements.ts";
import { FAULTS, FailingStatements } from "./failing-statements.ts";
import type { PostgresServer } from "./server.ts";
import { startPostgres } from "./server.ts";

/*
 * Each statement of each transaction that writes fails once, from BEGIN to COMMIT, by an error of the server or with its
 * connection: nothing of it was done, whoever asked for it is told so, and it is done when it is asked for again.
 */

let server: PostgresServer;
let root: string;

/** What requests change, whatever the order of the rows. */
const TABLES = ["projects", "keks", "keys", "key_versions", "import_tokens", "principals", "tokens"];
const ROWS = TABLES.map((name) => `(SELECT json_agg(t ORDER BY t::text) FROM ${name} t) AS ${name}`);

async function start(name: string) {
  const folder = join(root, name);
  const database = await server.newDatabase();
  const faults = new FailingStatements();
  const daemon = await startTestDaemon({
    folder,
    env: { CLAVIGER_STORE: `postgres://postgres@/${database}?host=${encodeURIComponent(server.socket)}` },
    clock: clockOf(folder, 20), // it goes on at once after a fault in the background
    store: faults.between,
  });
  const ledger = emptyLedger();
  const at = { url: daemon.address, folder };
  using client = administrator(at, 0);
  const secondToken = await fillBase(client, ledger, 5);
  const operator = new Operator(at, { secondToken, ledger, retries: 0 });
  return {
    operator,
    faults,
    rows: async () => JSON.stringify(await server.query(database, `SELECT ${ROWS.join(", ")}`)),
    [Symbol.asyncDispose]: async () => {
      operator[Symbol.dispose]();
      await daemon[Symbol.asyncDispose]();
      faults[Symbol.dispose]();
    },
  };
}

beforeAll(async () => {
  if (isWithout("postgresql")) return;
  server = await startPostgres();
  root = mkdtempSync(join(SCRATCH, "claviger-pg-faults-"));
});
afterAll(async () => {
  if (isWithout("postgresql")) return;
  await server[Symbol.asyncDispose]();
  rmSync(root, { recursive: true });
});

describe.skipIf(isWithout("postgresql")).for(Object.keys(FAULTS) as Fault[])(
  "when a statement of a write fails on PostgreSQL (%s)",
  (fault) => {
    test("a request is refused and nothing was done, or is done and says so; repeated it is done", async () => {
      await using started = await start(`requests-${fault}`);
      const failed = await requestsThroughFaults(
        started,
        (request) => started.faults.arm(fault, request),
        FAULTS[fault].said,
      );
      expect(failed).toBeGreaterThan(5 * Object.keys(REQUESTS).length);
    });

    test("every verb leads to its end when it is repeated, whatever statement of it failed", async () => {
      await using started = await start(`verbs-${fault}`);
      const { faults, operator } = started;
      const create: Step = {
        verb: "project create",
        act: ({ client }) => client.projects.create({ name: "created" }),
      };
      faults.arm(fault, "verbs");
      await throughFaults(operator, [create, ...EVERY_WRITE], FAULTS[fault].said);
      faults.disarm();
      const { client, ledger } = operator;
      await checkLedger(client, ledger);
      expect(await client.audit.verify()).toMatchObject({ verified: true, faults: [] });
      const { items } = await client.changes.list();
      expect(items.map(({ state }) => state)).toEqual(CHANGES_AFTERWARDS);
      const { patterns } = await client.census();
      const lines = patterns.filter(({ current, next, previous }) => current + next + previous > 0);
      expect(lines).toMatchObject([{ vp: items[0]?.to, next: 0, previous: 0 }]);
      expect(halfFailed(faults.hits())).toEqual([]);
      const kinds = new Set(faults.hits().map((hit) => hit.split(" ", 1)[0] ?? ""));
      const writes = Object.entries(SCRIPTS).flatMap(([name, { kind }]) => (kind === "write" ? [name] : []));
      expect([...kinds, ...NOT_AMONG_THEM].toSorted()).toEqual(writes.toSorted());
    });
  },
);

test.skipIf(isWithout("postgresql"))(
  "a connection that the server ends as it begins a transaction is not used again, by whoever comes next",
  async () => {
    using faults = new FailingStatements();
    const opened = await openPostgresStore(server.address(await server.newDatabase()));
    const store = faults.between(opened);
    faults.arm("lost", "once");
    const next = store.dropExpiredImportTokens({ nowMs: 1 }).catch(() => {
      faults.disarm();
      return store.dropExpiredImportTokens({ nowMs: 1 });
    });
    expect(await next).toBe(0);
    expect(faults.hits()).toEqual(["dropExpiredImportTokens #1 BEGIN"]);
    await opened.close();
  },
);
