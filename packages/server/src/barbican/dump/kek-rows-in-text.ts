import type { Quoting } from "./sql-literals.ts";
import { readLine, withoutBackslashes } from "./sql-literals.ts";

/*
 * Finds what a text dump says of `kek_data`: the values of its rows, line by line, in the forms of mysqldump and mariadb-dump
 * (INSERT with many rows, in one line or in several), mydumper, pg_dump (COPY, INSERT) and sqlite3's .dump (INSERT).
 */

type State = "outside" | "insert" | "copy";

const SCHEMA = '(?:(?:"[^"]*"|`[^`]*`|\\w+)\\.)?';
const TABLE = `${SCHEMA}["\`]?kek_data["\`]?(?=[\\s(])`;
const INSERT = new RegExp(`^\\s*(?:INSERT(?:\\s+IGNORE)?|REPLACE)\\s+INTO\\s+${TABLE}`, "i");
const COPY = new RegExp(`^COPY\\s+${TABLE}.*\\bFROM\\s+stdin;`, "i");

export class KekRowsInText {
  #state: State = "outside";
  #quoting: Quoting = "doubled";
  /** Whether there was a section of the table at all. */
  hasSection = false;

  /** Whether a section is not ended yet: at the end of a dump that means that it was cut off. */
  get isOpen(): boolean {
    return this.#state !== "outside";
  }

  /** The texts that a line has as values of rows of kek_data; undefined where it cannot be told. */
  take(line: string): readonly string[] | undefined {
    if (this.#state === "copy") return this.#takeCopied(line);
    if (this.#state === "outside" && !this.#begins(line)) return [];
    return this.#state === "insert" ? this.#takeInserted(line) : [];
  }

  #begins(line: string): boolean {
    // Comments that only MySQL executes, and its quotes around names, tell whose dump it is.
    if (line.startsWith("/*!")) this.#quoting = "backslash";
    if (!line.includes("kek_data")) return false;
    if (COPY.test(line)) this.#state = "copy";
    else if (INSERT.test(line)) {
      this.#state = "insert";
      if (/INTO\s+[^'"(]*`/i.test(line)) this.#quoting = "backslash";
    } else return false;
    this.hasSection = true;
    return true;
  }

  #takeInserted(line: string): readonly string[] | undefined {
    const head = INSERT.exec(line)?.[0].length ?? 0;
    const read = readLine(line.slice(head), this.#quoting);
    if (read?.isLast === true) this.#state = "outside";
    return read?.literals;
  }

  #takeCopied(line: string): readonly string[] {
    if (line.trimEnd() === "\\.") {
      this.#state = "outside";
      return [];
    }
    return line.split("\t").map(withoutBackslashes);
  }
}
