import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Failure, isFailure } from "../../core/errors.ts";
import { TokenTrouble } from "./host/outcomes.ts";

/** A login takes milliseconds; one that takes longer than this hangs. */
const TURN_WITHIN_MS = 2_000;

/**
 * Remembers that a token has refused its PIN, over restarts too: a token locks after a few wrong ones, and a daemon that
 * tries again by itself would see to that. A file beside the unit's attachment; an operator who has mended the PIN removes it.
 *
 * Unit hosts log in by themselves, all at once after a fault of the token. So that a PIN that has become wrong is tried by
 * one of them only, they do so in turn, each after a look at what the one before has met. The turn is an exclusive SQLite
 * transaction on a file beside, which the kernel takes back when the process ends, however it ends.
 */
export class PinLatch {
  readonly #path: string;
  readonly #advice: string;
  readonly #turnPath: string;

  /** The folder of the unit alone, in which its processes find each other; and what an operator does about a wrong PIN. */
  constructor(folder: string, advice?: string) {
    this.#path = join(folder, "pin-refused");
    this.#advice = advice ?? `mend the PIN file, then remove ${this.#path}`;
    this.#turnPath = join(folder, "login.lock");
  }

  /** @throws Failure `unit-pin-wrong` where the PIN was refused before. */
  assertOpen(): void {
    if (existsSync(this.#path))
      throw new Failure(
        "unit-pin-wrong",
        `the token has refused the PIN and is not tried again: ${this.#advice}`,
      );
  }

  /** The token has refused the PIN. */
  close(): void {
    writeFileSync(this.#path, "The token refused the PIN of its PIN file.\n", { mode: 0o600 });
  }

  /**
   * Logs in while no other process of the unit does, and never again after a `unit-pin-wrong` from it.
   * @throws Failure `unit-pin-wrong`; TokenTrouble where another process takes too long; what `logIn` throws.
   */
  inTurn(logIn: () => void): void {
    using turn = new DatabaseSync(this.#turnPath, { timeout: TURN_WITHIN_MS });
    try {
      turn.exec("BEGIN EXCLUSIVE");
    } catch (error) {
      throw new TokenTrouble(
        `it is not this host's turn to log in: ${(error as Error).message}`,
        "elsewhere",
      );
    }
    this.assertOpen();
    try {
      logIn();
    } catch (error) {
      if (isFailure(error, "unit-pin-wrong")) this.close();
      throw error;
    }
  }
}
