import type { BackupView, RouteReply } from "@claviger/api";
import { fromBase64 } from "./base64.ts";
import type { CallOptions } from "./call.ts";
import type { Caller } from "./caller.ts";
import { ClavigerError } from "./claviger-error.ts";
import { pause } from "./retry.ts";

const LOOK_AGAIN_MS = 200;

export interface BackupWaitOptions extends CallOptions {
  /** Called with the backup each time that it was looked at. */
  readonly onProgress?: (backup: BackupView) => void;
}

/** Backups of the database: encrypted, opened only by a crypto unit that holds a master key they need. */
export class Backups {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Begins a backup; `wait` waits until it is complete. Errors: `backup-running`. */
  create(): Promise<BackupView> {
    return this.#caller.call("createBackup", {});
  }

  /** The backups in the folder of the service, the oldest first. */
  async list(): Promise<BackupView[]> {
    return (await this.#caller.call("listBackups", {})).items;
  }

  /** Shows a backup. Errors: `backup-not-found`. */
  get(backup: string, options: CallOptions = {}): Promise<BackupView> {
    return this.#caller.call("getBackup", { params: { backup } }, options);
  }

  /** Waits until a backup is complete. Rejects with the failure that the service met, such as `backup-not-written`. */
  async wait(backup: string, { onProgress, ...options }: BackupWaitOptions = {}): Promise<BackupView> {
    for (;;) {
      const view = await this.get(backup, options);
      onProgress?.(view);
      if (view.failure !== null) throw new ClavigerError(view.failure);
      if (view.state !== "writing") return view;
      await pause(LOOK_AGAIN_MS, options.signal);
    }
  }

  /** The bytes of a complete backup, in pieces, to keep them elsewhere; from `offset`, where one was interrupted. */
  async *read(backup: string, offset = 0, options: CallOptions = {}): AsyncGenerator<Uint8Array> {
    for (let at = offset; ;) {
      const piece = await this.#caller.call(
        "readBackup",
        { params: { backup }, query: { offset: at } },
        options,
      );
      const bytes = fromBase64(piece.bytes);
      if (bytes.byteLength === 0) return;
      yield bytes;
      at += bytes.byteLength;
    }
  }

  /**
   * Accepts that the database is of an earlier moment, as after a restore: the service is read-only until then.
   * Errors: `rollback-not-found`.
   */
  async acceptRollback(): Promise<RouteReply<"acceptRollback">["accepted"]> {
    return (await this.#caller.call("acceptRollback", {})).accepted;
  }
}
