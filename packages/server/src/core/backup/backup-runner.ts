import type { Alarms } from "../ports/alarms.ts";
import { Failure, isFailure } from "../errors.ts";
import type { CreateBackupPorts } from "../operations/create-backup.ts";
import { createBackup } from "../operations/create-backup.ts";

/** A backup that is being written, or the last one that was begun. */
export interface BackupWork {
  readonly name: string;
  readonly startedAtMs: number;
  readonly state: "writing" | "complete" | "failed";
  /** Undefined until they are counted. */
  readonly rows: number | undefined;
  readonly written: number;
  readonly failure: Failure | undefined;
}

/** Writes backups one at a time, beside everything else; whoever asked for one looks again until it is complete. */
export class BackupRunner {
  readonly #ports: CreateBackupPorts & { readonly alarms: Alarms };
  readonly #stopping = new AbortController();
  #work: BackupWork | undefined;
  #running: Promise<void> | undefined;

  constructor(ports: CreateBackupPorts & { readonly alarms: Alarms }) {
    this.#ports = ports;
  }

  /** The one that was begun last, since this process started. */
  get work(): BackupWork | undefined {
    return this.#work;
  }

  /** @throws Failure `backup-running`. */
  start(): BackupWork {
    if (this.#work?.state === "writing") throw new Failure("backup-running");
    const startedAtMs = this.#ports.clock.nowMs();
    const name = nameOf(startedAtMs);
    this.#work = {
      name,
      startedAtMs,
      state: "writing",
      rows: undefined,
      written: 0,
      failure: undefined,
    };
    const started = this.#work;
    this.#running = this.#write(name);
    return started;
  }

  /** Ends what is being written; nothing of it stays. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #write(name: string): Promise<void> {
    try {
      await createBackup(this.#ports, {
        name,
        signal: this.#stopping.signal,
        onProgress: (progress) => this.#note(progress),
      });
      this.#note({ state: "complete" });
    } catch (error) {
      const failure = isFailure(error) ? error : new Failure("internal", undefined, { cause: error });
      this.#note({ state: "failed", failure });
      this.#ports.alarms.raise("backup-failed", `backup ${name}: ${messageOf(error)}`);
    }
  }

  #note(change: Partial<BackupWork>): void {
    if (this.#work) this.#work = { ...this.#work, ...change };
  }
}

/** A name that sorts by time: `claviger-20261125T163530123Z.backup`. */
function nameOf(ms: number): string {
  return `claviger-${new Date(ms).toISOString().replaceAll(/[-:.]/g, "")}.backup`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
