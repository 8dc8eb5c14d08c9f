import { existsSync } from "node:fs";
import type { Change, ChangeState, Fence } from "../../packages/server/src/core/master-key-change/change.ts";
import type { GroupName, KekId, ProjectId, Vp } from "../../packages/server/src/core/ids.ts";
import type { UnitState } from "../../packages/server/src/core/ports/store.ts";
import type { CryptoUnit } from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { RegisterName } from "../../packages/server/src/core/unit/registers.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite-store.ts";
import { mustWrapIn, WAYS, wrongForms } from "../model/state-rules.ts";
import { databasePath, openDatabase, openUnit, unitPath } from "./data-folder.ts";

/*
 * The invariants of a master-key change, which hold after every step and every crash: every row can be opened by every
 * serving unit; no serving unit's CURRENT is outside {from, to}; one pattern after FINALIZING; no form is deleted while a
 * serving unit needs it; the fence says what the state demands; states move only by the table. They are checked on what a
 * daemon has left, while none runs: database, change history and unit files, not what the service says about itself.
 */

const SCOPE = { group: "default" as GroupName, type: "WK" as const };

interface Row {
  readonly id: KekId;
  readonly projectId: ProjectId;
  readonly kcv: Uint8Array;
  readonly forms: Readonly<Record<"current" | "next" | "previous", Form | undefined>>;
}
interface Form {
  readonly vp: Vp;
  readonly blob: Uint8Array;
}

/** What a check found, for what a scenario demands beyond the invariants. */
export interface Found {
  readonly rows: readonly Row[];
  readonly fence: Fence;
  readonly changes: readonly Change[];
  /** Standing and registers of the units, by address. */
  readonly registers: ReadonlyMap<string, Held>;
  readonly counts: Readonly<Record<keyof typeof COUNTS, number>>;
}

/** What scenarios count. Of the first four a first start makes one, however often it was interrupted. */
const COUNTS = {
  fences: "SELECT count(*) AS n FROM fences",
  units: "SELECT count(*) AS n FROM units",
  rowMacKeys: "SELECT count(*) AS n FROM keys WHERE name = '(row-mac)'",
  administrators: "SELECT count(*) AS n FROM principals WHERE name = 'administrator'",
  formerPrincipals: "SELECT count(*) AS n FROM former_principals",
  spareKeys: "SELECT count(*) AS n FROM keys WHERE name = 'spare' AND state <> 'destroyed'",
  importTokens: "SELECT count(*) AS n FROM import_tokens",
  destroyedKeys: "SELECT count(*) AS n FROM keys WHERE state = 'destroyed'",
  materialOfDestroyed:
    "SELECT count(*) AS n FROM key_versions JOIN keys ON id = key_id WHERE state = 'destroyed' AND length(wrapped) > 0",
} as const;

interface Held extends Readonly<Record<RegisterName, Vp | undefined>> {
  readonly state: UnitState;
}

/** @throws an error that lists every invariant that does not hold. */
export async function checkInvariants(folder: string): Promise<Found> {
  const broken: string[] = [];
  const must = (holds: boolean, what: string): void => void (holds || broken.push(what));
  await using cold = new AsyncDisposableStack();
  const store = openSqliteStore({ path: databasePath(folder), threads: "none" });
  cold.defer(() => store.close());

  const { rows, projects, histories, counts } = readDatabase(folder, must);
  const fence = await store.readFence(SCOPE);
  if (!fence) throw new Error("there is no fence");
  const { items: changes } = await store.listChanges({ limit: 1000, after: undefined, openOnly: false });
  const open = changes.find(({ id }) => id === fence.openChange);

  const registers: Map<string, Held> = new Map();
  const units = new Map<string, CryptoUnit>();
  for (const record of await store.listUnits({})) {
    if (!existsSync(unitPath(folder, record.address))) continue; // a scenario has lost it
    const unit = await openUnit(folder, record.address);
    cold.defer(() => unit.close());
    units.set(record.address, unit);
    const reading = (await unit.registers.read()).find(({ type }) => type === "WK");
    if (!reading) throw new Error(`unit ${record.address} has no registers`);
    const { NEW, CURRENT, OLD } = reading;
    registers.set(record.address, { state: record.state, NEW: NEW.vp, CURRENT: CURRENT.vp, OLD: OLD.vp });
  }
  const serving = [...registers].filter(([, { state }]) => state === "serving");
  must(serving.length > 0, "no unit serves");

  // Every row, on every serving unit: by the form whose pattern is in its CURRENT, else by that in its OLD.
  for (const [address, held] of serving) {
    let closed = rows;
    for (const vp of [held.CURRENT, held.OLD]) {
      const batch = closed.flatMap((row) => {
        const form = Object.values(row.forms).find((one) => one?.vp === vp);
        return form ? [{ projectId: row.projectId, kekId: row.id, kcv: row.kcv, blob: form.blob }] : [];
      });
      if (vp === undefined || batch.length === 0) continue;
      const answers = await units
        .get(address)
        ?.keks.verify({ ...SCOPE, rows: batch }, vp, ["CURRENT", "OLD"]);
      const opened = new Set(
        batch.filter((_, index) => answers?.[index] === "opened").map(({ kekId }) => kekId),
      );
      closed = closed.filter(({ id }) => !opened.has(id));
    }
    for (const { id } of closed) must(false, `KEK ${id} cannot be opened on unit ${address}`);
    const allowed = open ? [open.from, open.to] : [fence.currentVp];
    must(
      held.CURRENT !== undefined && allowed.includes(held.CURRENT),
      `CURRENT of serving unit ${address} is a foreign key`,
    );
  }

  // Fence and state.
  const shown = [...fence.mustWrap].map((vp) => vp.slice(0, 8)).join(",");
  const demanded = open ? mustWrapIn(open) : [fence.currentVp];
  must(
    demanded.length === fence.mustWrap.length && demanded.every((vp) => vp && fence.mustWrap.includes(vp)),
    `must_wrap is {${shown}} in ${open?.state ?? "no open change"}`,
  );
  must(!open || !["CANCELED", "DONE", "PURGED"].includes(open.state), "an ended change holds the fence");
  for (const change of changes) {
    if (!["CANCELED", "DONE", "PURGED"].includes(change.state))
      must(
        change.id === fence.openChange,
        `change ${change.id} is ${change.state} and does not hold the fence`,
      );
  }
  for (const { id, forms } of rows) {
    const held = { current: forms.current?.vp, next: forms.next?.vp, previous: forms.previous?.vp };
    const wrong = wrongForms(held, open, fence.currentVp);
    must(wrong === undefined, `KEK ${id} ${wrong}`);
  }

  // States moved as the table allows, and the fence counted every move.
  let moves = 0;
  for (const [id, states] of histories) {
    must(states[0] === "PLANNED", `the history of change ${id} begins with ${states[0]}`);
    moves += 1;
    for (const [index, state] of states.entries()) {
      const before = states[index - 1];
      if (before === undefined || before === state) continue;
      moves += 1;
      must(WAYS[before].includes(state), `change ${id} went from ${before} to ${state}`);
    }
    const change = changes.find((one) => one.id === id);
    must(
      change?.state === states.at(-1),
      `change ${id} is ${change?.state}, its history says ${states.at(-1)}`,
    );
  }
  must(fence.generation === 1 + moves, `the fence counts ${fence.generation}, ${moves} moves were made`);

  // Counts.
  must(rows.length === projects, `${projects} projects have ${rows.length} KEKs`);
  const census = await store.census(SCOPE);
  const total = census.reduce((sum, line) => sum + line.current, 0);
  must(total === rows.length, `the census counts ${total} of ${rows.length} KEKs`);
  for (const line of census) {
    const counted = (form: "current" | "next" | "previous"): number =>
      rows.filter((row) => row.forms[form]?.vp === line.vp).length;
    for (const form of ["current", "next", "previous"] as const)
      must(counted(form) === line[form], `the census counts ${line[form]} ${form} under ${line.vp}`);
  }

  if (broken.length > 0) {
    const more = broken.length > 8 ? [`and ${broken.length - 8} more`] : [];
    throw new Error(`invariants that do not hold:\n  ${[...broken.slice(0, 8), ...more].join("\n  ")}`);
  }
  return { rows, fence, changes, registers, counts };
}

function readDatabase(
  folder: string,
  must: (holds: boolean, what: string) => void,
): {
  readonly rows: readonly Row[];
  readonly projects: number;
  readonly histories: ReadonlyMap<string, readonly ChangeState[]>;
  readonly counts: Found["counts"];
} {
  using db = openDatabase(folder);
  const check = db.prepare("PRAGMA integrity_check").all() as { integrity_check: string }[];
  must(check.length === 1 && check[0]?.integrity_check === "ok", "the database file is damaged");
  db.exec("BEGIN");
  const patterns = new Map(
    (db.prepare("SELECT id, vp FROM master_keys").all() as { id: number; vp: Vp }[]).map(({ id, vp }) => [
      id,
      vp,
    ]),
  );
  const form = (blob: unknown, mk: unknown): Form | undefined => {
    const vp = patterns.get(mk as number);
    return blob instanceof Uint8Array && vp !== undefined ? { vp, blob } : undefined;
  };
  const rows = db
    .prepare("SELECT * FROM keks ORDER BY n")
    .all()
    .map((row) => ({
      id: row["id"] as KekId,
      projectId: row["project_id"] as ProjectId,
      kcv: row["kcv"] as Uint8Array,
      forms: {
        current: form(row["wrapped"], row["mk"]),
        next: form(row["wrapped_new"], row["mk_new"]),
        previous: form(row["wrapped_old"], row["mk_old"]),
      },
    }));
  const histories = new Map<string, ChangeState[]>();
  for (const row of db.prepare("SELECT change_id, state FROM change_history ORDER BY n").all()) {
    const states = histories.get(row["change_id"] as string) ?? [];
    histories.set(row["change_id"] as string, states);
    states.push(row["state"] as ChangeState);
  }
  const count = (query: string): number => db.prepare(query).get()?.["n"] as number;
  const counts = {
    fences: count(COUNTS.fences),
    units: count(COUNTS.units),
    rowMacKeys: count(COUNTS.rowMacKeys),
    spareKeys: count(COUNTS.spareKeys),
    importTokens: count(COUNTS.importTokens),
    destroyedKeys: count(COUNTS.destroyedKeys),
    materialOfDestroyed: count(COUNTS.materialOfDestroyed),
    administrators: count(COUNTS.administrators),
    formerPrincipals: count(COUNTS.formerPrincipals),
  };
  const projects = count("SELECT count(*) AS n FROM projects");
  db.exec("COMMIT");
  return { rows, projects, histories, counts };
}
