import type { Principal } from "../core/access/principal.ts";
import { hasRoleEverywhere } from "../core/access/principal.ts";
import { headText } from "@claviger/audit";
import type { HeadRef, SignedHead } from "@claviger/audit";
import type { AuditDraft, OutboxRow } from "../core/audit/audit-draft.ts";
import type { Clock } from "../core/clock.ts";
import type { SigningKey } from "../core/crypto/signing-key.ts";
import { Failure } from "../core/errors.ts";
import type { Alarms } from "../core/ports/alarms.ts";
import type { AuditLog } from "../core/ports/audit-log.ts";
import type { ChainHead } from "./audit-database.ts";
import { AuditWriter } from "./audit-writer.ts";
import type { Opened, WriterSettings } from "./writer-thread.ts";

/** A head that moves is signed within this time. */
const SIGN_WITHIN_MS = 1_000;

export interface ChainedLogOptions extends WriterSettings {
  readonly clock: Clock;
  readonly alarms: Alarms;
  /** Called when the log can be written again, so that what waits is taken over. */
  readonly onRecovered?: () => void;
  /** Gets each signed head when it is durable: whoever keeps it elsewhere can prove later that the log was cut. */
  readonly onSignedHead?: (head: SignedHead) => void;
}

/** The audit log of this node: one chain since this start, written by a thread of its own, its heads signed. */
export class ChainedLog implements AuditLog {
  readonly #options: ChainedLogOptions;
  readonly #writer: AuditWriter;
  readonly #ready = Promise.withResolvers<void>();
  #head: ChainHead | undefined;
  /** Heads of chains that have ended, to be signed as soon as there is a key. */
  #ended: HeadRef[] = [];
  #signedSeq = 0;
  /** The key that signs now, and those that will follow it. */
  readonly #keys: SigningKey[] = [];
  #timer: NodeJS.Timeout | undefined;
  #signing: Promise<void> = Promise.resolve();
  #low = false;
  #isReady = false;
  #isFirst = false;

  private constructor(options: ChainedLogOptions) {
    this.#options = options;
    const { path, reservePath, reserveBytes, node, clock } = options;
    this.#writer = new AuditWriter(
      { path, reservePath, reserveBytes, node },
      {
        clock,
        events: {
          opened: (opened) => this.#opened(opened),
          recovered: () => this.#recovered(),
          broken: (reason, code) => this.#broken(reason, code),
          low: (low) => this.#setLow(low),
          moved: (head) => this.#moved(head),
        },
      },
    );
  }

  /**
   * Begins a chain.
   * @throws Failure `audit-unavailable` when the file cannot be opened and written, `audit-damaged`, `store-newer`.
   */
  static async open(options: ChainedLogOptions): Promise<ChainedLog> {
    const log = new ChainedLog(options);
    try {
      await log.#ready.promise;
    } catch (error) {
      await log.#writer.close();
      throw error;
    }
    return log;
  }

  append(draft: AuditDraft): Promise<void> {
    return this.#writer.append(draft);
  }

  appendLater(draft: AuditDraft): void {
    this.#writer.appendLater(draft);
  }

  takeOver(rows: readonly OutboxRow[]): Promise<void> {
    return this.#writer.takeOver(rows);
  }

  admit(caller: Pick<Principal, "grants">): void {
    const { trouble } = this.#writer;
    if (trouble !== undefined) throw this.#writer.refusal();
    if (this.#low && !hasRoleEverywhere(caller, ["administrator"])) {
      throw this.#writer.refusal("only its reserve on the disk is left, for administrators");
    }
  }

  troubles(): readonly string[] {
    const { trouble } = this.#writer;
    if (trouble !== undefined) return [`the audit log cannot be written: ${trouble}`];
    return this.#low ? ["the audit log lives on its reserve: the disk is full"] : [];
  }

  /** Whether there was no log when this one was opened. */
  get isFirst(): boolean {
    return this.#isFirst;
  }

  /**
   * Has heads signed with a key; with a further one as soon as the key before has signed what there is now. The chain
   * before this one gets the signature that its end may lack.
   */
  signWith(key: SigningKey): void {
    this.#keys.push(key);
    this.signHead();
  }

  /** Fingerprint of the key that signs now. */
  get signer(): string | undefined {
    return this.#keys[0]?.fingerprint;
  }

  signHead(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#signing = this.#signing.then(() => this.#sign());
  }

  /** The last record that is durable. */
  get head(): HeadRef | undefined {
    return this.#head;
  }

  /** Sets the beginning of a chain behind a signed head, and deletes the records before it. */
  async forgetUpTo(head: HeadRef): Promise<number> {
    await this.#writer.setBase(head);
    let forgotten = 0;
    for (;;) {
      const deleted = await this.#writer.forget(head, 1_000);
      if (deleted === 0) return forgotten;
      forgotten += deleted;
    }
  }

  /** Signs the head that is signed for now, and resolves when the signature is durable. */
  async signed(): Promise<void> {
    this.signHead();
    await this.#signing;
  }

  /** Writes what waits, signs the last head, and ends the thread. */
  async close(): Promise<void> {
    await this.signed();
    clearTimeout(this.#timer);
    await this.#writer.close();
  }

  async #sign(): Promise<void> {
    while ((await this.#signDue()) && this.#keys.length > 1) {
      this.#keys.shift();
      this.#signedSeq = 0; // the next key signs the head too, and so comes into its place
    }
  }

  /** Whether everything there is is signed. */
  async #signDue(): Promise<boolean> {
    const [key] = this.#keys;
    const head = this.#head;
    if (!key || !head || this.#writer.trouble !== undefined) return false;
    const due = [...this.#ended, ...(head.seq > this.#signedSeq ? [head] : [])];
    for (const one of due) {
      const at = new Date(this.#options.clock.nowMs()).toISOString();
      const { chain, seq, hash } = one;
      const text = headText({ chain, seq, hash, at, key: key.fingerprint, outbox: head.outbox });
      const signature = key.sign(text);
      try {
        await this.#writer.addHead({ chain, seq, text, signature });
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        return false; // it is signed when the log can be written again
      }
      if (one === head) this.#signedSeq = Math.max(this.#signedSeq, seq);
      else this.#ended = this.#ended.filter((ended) => ended !== one);
      this.#options.onSignedHead?.({ text, signature });
    }
    return true;
  }

  #opened(opened: Opened): void {
    if (opened.previous && opened.head.chain !== this.#head?.chain) {
      // Of a file that was replaced, the chain before is not there to be signed.
      if (opened.how === "started") this.#ended.push(opened.previous);
      this.#signedSeq = 0;
    }
    if (opened.how === "replaced") {
      const { chain, seq } = opened.previous ?? { chain: "", seq: 0 };
      const detail = `the audit log does not hold record ${seq} of chain ${chain}, which it held: a new chain begins`;
      this.#options.alarms.raise("audit-log", detail);
    }
    this.#head = opened.head;
    this.#isFirst ||= opened.how === "first";
    this.#isReady = true;
    this.#ready.resolve();
    this.#recovered();
  }

  #recovered(): void {
    this.#options.onRecovered?.();
    this.#signSoon();
  }

  #broken(reason: string, code: string | undefined): void {
    if (!this.#isReady) {
      const damaged = code === "audit-damaged" || code === "store-newer" ? code : "audit-unavailable";
      this.#ready.reject(new Failure(damaged, `The audit log cannot be opened: ${reason}`));
      return;
    }
    this.#options.alarms.raise("audit-log", `the audit log cannot be written: ${reason}`);
  }

  #setLow(low: boolean): void {
    if (low && !this.#low)
      this.#options.alarms.raise("audit-log", "the disk is full: the audit log lives on its reserve");
    this.#low = low;
  }

  #moved(head: ChainHead): void {
    if (this.#head?.chain !== head.chain) this.#signedSeq = 0;
    this.#head = head;
    this.#signSoon();
  }

  #signSoon(): void {
    if (this.#keys.length === 0 || this.#timer !== undefined || !this.#head) return;
    if (this.#head.seq <= this.#signedSeq && this.#ended.length === 0) return;
    this.#timer = setTimeout(() => this.signHead(), SIGN_WITHIN_MS);
  }
}
