import type { Clock } from "../clock.ts";
import { Failure } from "../errors.ts";
import type { BarbicanDatabase, KekChange, KekRow } from "./barbican-database.ts";
import type { CensusLine } from "./census.ts";
import { Census } from "./census.ts";
import type { FailedRow, NamedRow } from "./failed-rows.ts";
import { Failed, withProjects } from "./failed-rows.ts";
import { eachPage, everyPage } from "./pages.ts";
import { pluginMeta } from "./plugin-meta.ts";
import type { ProjectKeyTarget, WrappedProjectKey } from "./project-key.ts";
import type { ProjectKeyToken } from "./project-key-token.ts";
import { readRow, stateOf } from "./read-row.ts";
import { RowPace } from "./row-pace.ts";

/** A Barbican that keeps adding rows under other labels is not followed for ever. */
const PASSES = 10;

export interface RewrapPorts {
  readonly database: BarbicanDatabase;
  readonly token: Pick<ProjectKeyToken, "rewrap">;
  readonly clock: Clock;
}

export interface RewrapOrder {
  readonly target: ProjectKeyTarget;
  /** Everything but the writing: rows are opened, wrapped for the target, and opened again. */
  readonly isDryRun: boolean;
  /** `Infinity`: as fast as it goes. */
  readonly rowsPerSecond: number;
  /** Ends the work behind the pages that are under way. */
  readonly signal: AbortSignal;
  /** Called after each page with the rows that were seen in this pass. */
  readonly onPage?: (progress: RewrapProgress) => void;
}

export interface RewrapProgress {
  /** From 1. */
  readonly pass: number;
  readonly seen: number;
  readonly moved: number;
  readonly failed: number;
}

export interface RewrapResult {
  /** `interrupted`: the signal came. `failed`: the token or the database gave no answer any more; `failure` says what. */
  readonly ended: "complete" | "interrupted" | "failed";
  readonly failure: Failure | undefined;
  /** Rows that were written; in a dry run, that could be. */
  readonly moved: number;
  /** Rows that were under the target before. */
  readonly already: number;
  readonly unbound: number;
  /** Rows that were changed or removed by somebody else between reading and writing, and were looked at again. */
  readonly changedMeanwhile: number;
  /** Of the last pass that went over all rows, or else of the first one. */
  readonly failed: { readonly count: number; readonly named: readonly NamedRow[] };
  /**
   * Rows that were not under the target at the recount, failed ones included, and those that it still found to move after
   * the last pass that is made; undefined where there was no recount.
   */
  readonly left: number | undefined;
  readonly before: readonly CensusLine[];
  /** That of the recount; undefined where there was none. */
  readonly after: readonly CensusLine[] | undefined;
}

/**
 * Moves every project key under the target. What is to be done is told by the rows themselves, so that a run which was
 * interrupted, at whatever moment, is finished by the next one. Passes are made until one finds nothing to move: that is the
 * recount, which also finds what a serving Barbican has added under its old labels meanwhile.
 * @throws Failure `barbican-key-missing`, `barbican-mechanism-unsuitable`, `barbican-run-in-progress` before anything is written; what
 * fails later is in the result.
 */
export async function rewrapProjectKeys(ports: RewrapPorts, order: RewrapOrder): Promise<RewrapResult> {
  const { database, token } = ports;
  // Without keys it proves the target: that the token has its keys, and wraps by its mechanism.
  await token.rewrap([], order.target);
  if (!order.isDryRun) await database.lockOutOthers();
  const run = new Run(ports, order);
  try {
    await run.toTheEnd();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    run.failure = error;
  }
  return await run.result();
}

/** One pass over all rows. */
interface Pass {
  readonly number: number;
  readonly census: Census;
  readonly failed: Failed<FailedRow>;
  /** It went over all rows. */
  isWhole: boolean;
  seen: number;
  moved: number;
  already: number;
  unbound: number;
  changedMeanwhile: number;
}

interface RowToMove {
  readonly row: KekRow;
  readonly pluginMeta: string;
  readonly key: WrappedProjectKey;
}

class Run {
  readonly #ports: RewrapPorts;
  readonly #order: RewrapOrder;
  readonly #pace: RowPace;
  readonly #passes: Pass[] = [];
  /** What writing has failed with. */
  #unwritable: Failure | undefined;
  failure: Failure | undefined;

  constructor(ports: RewrapPorts, order: RewrapOrder) {
    this.#ports = ports;
    this.#order = order;
    this.#pace = new RowPace(ports.clock, order.rowsPerSecond);
  }

  async toTheEnd(): Promise<void> {
    for (let number = 1; number <= PASSES; number += 1) {
      const pass = emptyPass(number);
      this.#passes.push(pass);
      await this.#walk(pass);
      if (this.#order.signal.aborted) return;
      pass.isWhole = true;
      if (this.#order.isDryRun) return;
      if (pass.moved === 0 && pass.changedMeanwhile === 0) return;
    }
  }

  async result(): Promise<RewrapResult> {
    const [first = emptyPass(1)] = this.#passes;
    const last = this.#passes.findLast(({ isWhole }) => isWhole) ?? first;
    const sum = (count: (pass: Pass) => number) =>
      this.#passes.reduce((total, pass) => total + count(pass), 0);
    const ended = this.failure ? "failed" : this.#order.signal.aborted ? "interrupted" : "complete";
    const isRecounted = ended === "complete" && !this.#order.isDryRun;
    return {
      ended,
      failure: this.failure,
      moved: sum(({ moved }) => moved),
      already: first.already,
      unbound: last.unbound,
      changedMeanwhile: sum(({ changedMeanwhile }) => changedMeanwhile),
      failed: {
        count: last.failed.count,
        named: await withProjects(this.#ports.database, last.failed.named),
      },
      left: isRecounted ? last.seen - last.already - last.unbound : undefined,
      before: first.census.lines(),
      after: isRecounted ? last.census.lines() : undefined,
    };
  }

  async #walk(pass: Pass): Promise<void> {
    const { signal } = this.#order;
    await eachPage(
      everyPage(this.#ports.database, this.#order.rowsPerSecond),
      { pace: this.#pace, signal },
      (page) => this.#move(page, pass),
    );
  }

  async #move(page: readonly KekRow[], pass: Pass): Promise<void> {
    const toMove = this.#sort(page, pass);
    const { target, isDryRun, onPage } = this.#order;
    const keys = toMove.map(({ key }) => key);
    const made = keys.length === 0 ? [] : await this.#ports.token.rewrap(keys, target);
    const changes: KekChange[] = [];
    for (const [i, { row, pluginMeta: from }] of toMove.entries()) {
      const outcome = made[i];
      if (!outcome) throw new Failure("internal", "the token answered for fewer keys than it was given");
      if ("refused" in outcome) pass.failed.add({ ...named(row), refused: outcome.refused, detail: null });
      else changes.push({ id: row.id, from, to: pluginMeta(outcome) });
    }
    const written = isDryRun ? changes.length : await this.#write(changes);
    pass.moved += written;
    pass.changedMeanwhile += changes.length - written;
    onPage?.({ pass: pass.number, seen: pass.seen, moved: pass.moved, failed: pass.failed.count });
  }

  /**
   * How many were written. Once that has failed it is not tried for the other pages that are under way: each may wait as long
   * for its answer, and a lock against a second run may be gone.
   */
  async #write(changes: readonly KekChange[]): Promise<number> {
    if (this.#unwritable) throw this.#unwritable;
    if (changes.length === 0) return 0;
    try {
      return (await this.#ports.database.replace(changes)).size;
    } catch (error) {
      if (error instanceof Failure) this.#unwritable = error;
      throw error;
    }
  }

  /** Counts the rows of a page, and returns those that are under something else than the target. */
  #sort(page: readonly KekRow[], pass: Pass): readonly RowToMove[] {
    const toMove: RowToMove[] = [];
    for (const row of page) {
      const read = readRow(row);
      pass.census.add(row, read);
      pass.seen += 1;
      if (read === "unbound") pass.unbound += 1;
      else if ("unreadable" in read)
        pass.failed.add({ ...named(row), refused: "unreadable", detail: read.unreadable });
      else if (isUnder(read.key, this.#order.target)) pass.already += 1;
      else if (row.pluginMeta !== null) toMove.push({ row, pluginMeta: row.pluginMeta, key: read.key });
    }
    return toMove;
  }
}

function emptyPass(number: number): Pass {
  const counts = { isWhole: false, seen: 0, moved: 0, already: 0, unbound: 0, changedMeanwhile: 0 };
  return { number, census: new Census(), failed: new Failed<FailedRow>(), ...counts };
}

function isUnder({ mkekLabel, hmacLabel, mechanism }: WrappedProjectKey, target: ProjectKeyTarget): boolean {
  return mkekLabel === target.mkekLabel && hmacLabel === target.hmacLabel && mechanism === target.mechanism;
}

function named(row: KekRow): Pick<FailedRow, "id" | "state"> {
  return { id: row.id, state: stateOf(row) };
}
