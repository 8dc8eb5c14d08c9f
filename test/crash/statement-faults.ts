import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type StatementFault = "full" | "io";

/** What the service says of each. */
export const SAID: Readonly<Record<StatementFault, string>> = { full: "store-full", io: "store-failed" };

/** Has statements of the store of a daemon fail: the test's side of failing-statements.ts. */
export class StatementFaults {
  readonly #folder: string;
  #rounds = 0;

  constructor(folder: string) {
    mkdirSync(folder);
    this.#folder = folder;
  }

  /** What every thread of the daemon loads before its own code. */
  get preload(): string {
    return `${new URL("./failing-statements.ts", import.meta.url).href}?${this.#folder}`;
  }

  /** From now on each statement of each kind of write fails once; of a new round all over again. */
  armWrites(fault: StatementFault, round: string): void {
    this.#order({ fault, where: "writes", round, nth: 0 });
  }

  /** Has the n-th statement from now fail by which the event loop reads. */
  armRead(nth: number): void {
    this.#rounds += 1;
    this.#order({ fault: "io", where: "reads", round: String(this.#rounds), nth });
  }

  disarm(): void {
    rmSync(join(this.#folder, "fault"), { force: true });
  }

  /** What failed until now, each with its place in its kind of call. */
  hits(): readonly string[] {
    return this.#lines("hits");
  }

  /** What a failed write has left behind, and failures that were not heard of. */
  wrong(): readonly string[] {
    return this.#lines("wrong");
  }

  #order(order: object): void {
    const path = join(this.#folder, "fault");
    writeFileSync(`${path}.new`, JSON.stringify(order));
    renameSync(`${path}.new`, path);
  }

  #lines(file: string): readonly string[] {
    try {
      return readFileSync(join(this.#folder, file), "utf8").split("\n").slice(0, -1);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  }
}
