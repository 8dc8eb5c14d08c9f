import { basename } from "node:path";
import { Failure } from "../../core/errors.ts";
import { SerialQueue } from "../../core/serial-queue.ts";
import type { Anchors } from "../../core/unit/anchors.ts";
import type { AnchorFace } from "../../core/unit/crypto-unit.ts";
import { AnchorFile } from "./anchor-file.ts";
import type { SoftwareRegisters } from "./register-face.ts";
import type { UnitState } from "./unit-state.ts";

/**
 * Anchors of a software unit. The file goes first, and then the note in the sealed file that there is one: what is cut in
 * between leaves anchors that nobody misses.
 */
export class SoftwareAnchors implements AnchorFace {
  readonly #file: AnchorFile;
  readonly #registers: Pick<SoftwareRegisters, "isAnchored" | "noteAnchored">;
  readonly #queue = new SerialQueue();

  constructor(
    path: string,
    unit: UnitState,
    registers: Pick<SoftwareRegisters, "isAnchored" | "noteAnchored">,
  ) {
    this.#file = new AnchorFile(path, unit);
    this.#registers = registers;
  }

  read(): Promise<Anchors | undefined> {
    return this.#queue.run(async () => {
      const isAnchored = await this.#registers.isAnchored();
      const found = await this.#file.read();
      if (found !== "absent" && found !== "refused") return found;
      if (!isAnchored) return undefined; // of a unit that was at this address before, if it is one
      const what = found === "absent" ? "are not there" : "are not what it has kept";
      throw new Failure(
        "unit-file-tampered",
        `the anchors that the unit has kept ${what}: ${basename(this.#file.path)}`,
      );
    });
  }

  keep(anchors: Anchors): Promise<void> {
    return this.#queue.run(async () => {
      const isAnchored = await this.#registers.isAnchored();
      await this.#file.write(anchors);
      if (!isAnchored) await this.#registers.noteAnchored();
    });
  }

  /** Waits until what is being kept is. */
  async close(): Promise<void> {
    await this.#queue.run(() => Promise.resolve());
  }
}
