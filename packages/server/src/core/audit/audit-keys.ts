import type { SigningKey } from "../crypto/signing-key.ts";
import { isFailure } from "../errors.ts";
import type { AuditKeyPorts, OpenedAuditKey } from "../operations/audit-signing-keys.ts";
import { makeAuditKey, openAuditKeys } from "../operations/audit-signing-keys.ts";
import type { AuditKeyRecord } from "../ports/audit-log.ts";
import { SerialQueue } from "../serial-queue.ts";
import type { OutboxTaker } from "./outbox-taker.ts";

/** How long it waits before it looks again whether the log can be written. */
const AGAIN_MS = 1_000;

/** What signs: the log with its thread (audit/chained-log.ts). */
export interface SignedLog {
  /** From then on, when the key before has signed what there is. */
  signWith(key: SigningKey): void;
  readonly signer: string | undefined;
  signed(): Promise<void>;
}

export interface AuditKeysPorts extends AuditKeyPorts {
  readonly log: SignedLog;
  readonly taker: Pick<OutboxTaker, "taken">;
  /** Fingerprint of the key that signed last before this start. */
  readonly lastSigner: string | undefined;
  /** Gets the public keys whenever there is another one. */
  readonly publish: (keys: readonly AuditKeyRecord[]) => void;
}

/**
 * The keys that sign the audit log, one after the other. A key comes into its place in this order, and each step is done
 * again after a crash before it:
 * 1. its row, and the record that introduces it with a signature of the key before, are committed together;
 * 2. the record is in the log;
 * 3. the key before signs a head behind the record, its last one;
 * 4. the new key signs that head, and every one from then on.
 */
export class AuditKeys {
  readonly #ports: AuditKeysPorts;
  readonly #opened: OpenedAuditKey[];
  readonly #queue = new SerialQueue();
  readonly #stopping = new AbortController();
  #finishing: Promise<void> | undefined;

  private constructor(ports: AuditKeysPorts, opened: readonly OpenedAuditKey[]) {
    this.#ports = ports;
    this.#opened = [...opened];
  }

  /**
   * Has the log signed, to be called when what the outbox held is in the log. The first start makes the first key. Where
   * the log was signed last by a key that this database does not have, which was restored from before that key, the next
   * one can be introduced by none: it is made, and raises an alarm.
   * @throws Failure `record-not-vouched`, `no-serving-unit`.
   */
  static async open(ports: AuditKeysPorts): Promise<AuditKeys> {
    const { lastSigner, log, alarms } = ports;
    const keys = new AuditKeys(ports, await openAuditKeys(ports));
    const last = keys.#opened.findIndex(({ record }) => record.fingerprint === lastSigner);
    const isLost = lastSigner !== undefined && last < 0;
    if (isLost) {
      const detail = `this database does not have the key ${lastSigner}, which signed the audit log last: another one is made, and the log cannot introduce it`;
      alarms.raise("audit-log", detail);
    }
    if (isLost || keys.#opened.length === 0) keys.#opened.push(await makeAuditKey(ports, undefined));
    const signing = keys.#opened.slice(last < 0 ? -1 : last);
    for (const { key } of signing) log.signWith(key);
    ports.publish(keys.records());
    return keys;
  }

  /** The oldest first. */
  records(): readonly AuditKeyRecord[] {
    return this.#opened.map(({ record }) => record);
  }

  get signer(): string | undefined {
    return this.#ports.log.signer;
  }

  /**
   * Makes a key that signs from now on; while the log cannot be written, as soon as it can. One that still waits for that
   * is given in the place of a further one.
   */
  rotate(): Promise<AuditKeyRecord> {
    return this.#queue.run(async () => {
      const before = this.#opened.at(-1);
      if (this.#finishing && before) return before.record;
      const made = await makeAuditKey(this.#ports, before?.key);
      this.#opened.push(made);
      try {
        await this.#succeed(made.key);
      } catch (error) {
        if (!isFailure(error)) throw error;
        this.#finishing = this.#succeedLater(made.key);
      }
      this.#ports.publish(this.records());
      return made.record;
    });
  }

  /** Ends what waits: the next start goes on with it. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#finishing;
  }

  async #succeed(key: SigningKey): Promise<void> {
    await this.#ports.taker.taken();
    this.#ports.log.signWith(key);
    await this.#ports.log.signed();
  }

  async #succeedLater(key: SigningKey): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      await this.#ports.clock.sleep(AGAIN_MS, signal);
      if (signal.aborted) return;
      try {
        await this.#succeed(key);
        this.#finishing = undefined;
        return;
      } catch (error) {
        if (!isFailure(error)) throw error;
      }
    }
  }
}
