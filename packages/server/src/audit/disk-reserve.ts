import { closeSync, fsyncSync, openSync, rmSync, statSync, statfsSync, writeSync } from "node:fs";
import { dirname } from "node:path";

const BLOCK_BYTES = 65_536;

/**
 * Room on the disk that the audit log keeps for the time when there is no other: a file that is given up so that
 * refusals can still be recorded, and administrators can act. It comes back when twice as much is free.
 */
export class DiskReserve {
  readonly #path: string;
  readonly #lengthBytes: number;

  constructor(path: string, lengthBytes: number) {
    this.#path = path;
    this.#lengthBytes = lengthBytes;
  }

  get isHeld(): boolean {
    return statSync(this.#path, { throwIfNoEntry: false })?.size === this.#lengthBytes;
  }

  /** Takes the room if enough is free; says whether it is held. Real blocks, since a file with holes reserves nothing. */
  take(): boolean {
    if (this.isHeld) return true;
    try {
      const { bavail, bsize } = statfsSync(dirname(this.#path));
      if (bavail * bsize < 2 * this.#lengthBytes) return false;
      this.#write();
      return true;
    } catch {
      // Full, read-only or gone: then there is no reserve, which is what the caller is told.
      this.giveUp();
      return false;
    }
  }

  /** Frees the room. */
  giveUp(): void {
    try {
      rmSync(this.#path, { force: true });
    } catch (error) {
      // On a disk that is read-only or gone: the write that needed the room says what is wrong.
      if (!(error instanceof Error) || !("code" in error)) throw error;
    }
  }

  #write(): void {
    rmSync(this.#path, { force: true });
    const file = openSync(this.#path, "wx", 0o600);
    try {
      // Not zeros, which some file systems and copies leave out.
      const block = new Uint8Array(BLOCK_BYTES).fill(0xa5);
      for (let written = 0; written < this.#lengthBytes; written += BLOCK_BYTES) writeSync(file, block);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }
}
