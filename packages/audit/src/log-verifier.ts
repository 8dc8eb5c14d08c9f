import { HASH_BYTES, RecordHasher, hashOfChain } from "./chain-hash.ts";
import type { HeadRef } from "./entry.ts";
import type { AuditKey, Head, SignedHead } from "./signed-head.ts";
import { isSignedBy, parseHead } from "./signed-head.ts";
import { introducesKey, numberOf, recordOf } from "./record-text.ts";
import { Signers } from "./signers.ts";
import type { AuditFault, AuditFaultKind, Verification } from "./verification.ts";

const FAULTS_KEPT = 1000;
/** The operation of the first record of every chain. */
export const BEGIN_OPERATION = "audit.begin";

export interface VerifyOptions {
  /**
   * The keys that may sign, besides those that the log introduces under them. Without them a signature by any key that
   * the log itself brings along counts.
   */
  readonly trusted?: readonly AuditKey[] | undefined;
  /** Heads that were seen before: the log must still contain them. */
  readonly knownHeads?: readonly HeadRef[] | undefined;
}

interface ChainState {
  readonly chain: string;
  readonly from: HeadRef;
  /** Number and hash of the last record, as the log has them. */
  seq: number;
  hash: Buffer;
  /** Up to here the records are those that were signed. */
  signedTo: number;
  baseSigned: boolean;
  followed: boolean;
}

/**
 * Verifies a log that it is shown from the beginning to the end: chains in the order in which they began, in each the
 * records by number, a signed head behind the record that it names. What follows a fault is verified on.
 */
export class LogVerifier {
  readonly #signers: Signers;
  readonly #known: Map<string, HeadRef>;
  readonly #chains = new Map<string, ChainState>();
  /** Chains that the file has which is read now. */
  readonly #inFile = new Set<string>();
  readonly #signedBy = new Set<string>();
  readonly #hasher = new RecordHasher();
  readonly #faults: AuditFault[] = [];
  #faultCount = 0;
  #records = 0;
  #heads = 0;
  #at: ChainState | undefined;

  constructor({ trusted, knownHeads = [] }: VerifyOptions) {
    this.#signers = new Signers(trusted);
    this.#known = new Map(knownHeads.map((head) => [`${head.chain} ${head.seq}`, head]));
  }

  get records(): number {
    return this.#records;
  }

  get heads(): number {
    return this.#heads;
  }

  /** Begins another file of the same log: chains go on where the one before ends. */
  file(): void {
    this.#inFile.clear();
  }

  /** A key that the log brings along; it counts only where no trusted ones were given. */
  key(key: AuditKey): void {
    this.#signers.bring(key);
  }

  /** Begins a chain behind the record `from`, which is elsewhere; number 0 is the beginning. */
  chain(from: HeadRef): void {
    this.#endChain();
    const { chain, seq } = from;
    const hash = Buffer.from(from.hash, "hex");
    const before = this.#chains.get(chain);
    const isFirst = !this.#inFile.has(chain);
    this.#inFile.add(chain);
    if (isFirst && before?.seq === seq && before.hash.equals(hash)) {
      this.#at = before; // a file before this one ends where this one goes on
      return;
    }
    const state = { chain, from, seq, hash, signedTo: seq, baseSigned: seq === 0, followed: false };
    this.#at = state;
    if (before) this.fault("chain-fork", 0, "The chain is there twice.");
    else this.#chains.set(chain, state);
    if (
      hash.byteLength !== HASH_BYTES ||
      hash.toString("hex") !== from.hash ||
      (seq === 0 && !hash.equals(hashOfChain(chain)))
    )
      this.fault("chain-altered", 0, "The chain does not begin with the hash of its name.");
  }

  /** `hash` as the log has it beside the text. */
  record(hash: Uint8Array, text: string | Uint8Array): void {
    const at = this.#at;
    if (!at) return this.fault("chain-missing", 0, "A record stands before any chain.");
    this.#records += 1;
    if (!at.baseSigned) {
      at.baseSigned = true;
      this.fault("base-unsigned", at.seq, `No signed head names record ${at.seq}, behind which they begin.`);
    }
    const inOrder = this.#number(at, text);
    const own = Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength);
    const computed =
      typeof text === "string" ? this.#hasher.ofText(at.hash, text) : this.#hasher.ofBytes(at.hash, text);
    if (inOrder && !computed.equals(own))
      this.fault("record-altered", at.seq, `Text and hash of record ${at.seq} do not belong together.`);
    // From here on the chain is followed as it stands, so that each fault is told where it is and once.
    at.hash = own.byteLength === HASH_BYTES ? Buffer.from(own) : computed;
    if (at.seq === 1) this.#begin(at, text);
    if (introducesKey(text)) this.#introduce(at, text);
    if (this.#known.size > 0) this.#recognise(at);
  }

  head(signed: SignedHead): void {
    const at = this.#at;
    this.#heads += 1;
    const head = parseHead(signed.text);
    if (!at || head?.chain !== at.chain) {
      return this.fault("signature-invalid", head?.seq ?? 0, "A signed head does not belong to its place.");
    }
    const signer = this.#signerOf(at, head, signed);
    if (!signer) return;
    if (head.seq > at.seq) {
      const lost = `The signed head names record ${head.seq}, but the chain ends with ${at.seq}.`;
      return this.fault("truncated", at.seq + 1, lost);
    }
    if (head.seq < at.seq)
      return this.fault("record-misplaced", head.seq, "A signed head stands behind later records.");
    if (head.hash !== at.hash.toString("hex")) {
      const range = `${at.signedTo + 1} to ${at.seq}`;
      this.fault("head-differs", at.signedTo + 1, `Records ${range} are not those that were signed.`);
    }
    if (signer === "may sign" && head.hash === at.hash.toString("hex")) this.#signers.hasSigned(head.key);
    at.signedTo = head.seq;
    at.baseSigned = true;
  }

  fault(what: AuditFaultKind, seq: number, detail: string): void {
    this.#faultCount += 1;
    const chain = this.#at?.chain ?? "";
    if (this.#faults.length < FAULTS_KEPT) this.#faults.push({ what, chain, seq, detail });
  }

  /** Ends the log. Nothing is shown to it afterwards. */
  end(): Verification {
    this.#endChain();
    const last = this.#at;
    for (const head of this.#known.values()) {
      const from = this.#chains.get(head.chain)?.from;
      // In an archive, for which the signed head stands behind which the chain begins.
      if (from && (head.seq < from.seq || (head.seq === from.seq && head.hash === from.hash))) continue;
      this.#at = undefined;
      const detail = `Record ${head.seq} of chain ${head.chain} was seen before, and is not there.`;
      this.fault("known-head-missing", head.seq, detail);
    }
    return {
      records: this.#records,
      heads: this.#heads,
      chains: [...this.#chains.values()].map(({ chain, seq, hash }) => ({
        chain,
        seq,
        hash: hash.toString("hex"),
      })),
      unsigned: last ? last.seq - last.signedTo : 0,
      signedBy: [...this.#signedBy],
      faults: this.#faults,
      faultCount: this.#faultCount,
    };
  }

  /** Takes the number of the record, and says whether it is the next one. */
  #number(at: ChainState, text: string | Uint8Array): boolean {
    const seq = numberOf(text);
    const expected = at.seq + 1;
    if (seq === expected) {
      at.seq = expected;
      return true;
    }
    if (seq !== undefined && seq > expected) {
      this.fault("record-missing", expected, `Records ${expected} to ${seq - 1} are missing.`);
      at.seq = seq;
    } else {
      const what = seq === undefined ? "A record without a number" : `Record ${seq}`;
      this.fault("record-misplaced", expected, `${what} stands where ${expected} should be.`);
      at.seq = expected;
    }
    return false;
  }

  /** The first record of a chain names the head of the chain before it. */
  #begin(at: ChainState, text: string | Uint8Array): void {
    const begin = recordOf(text);
    if (begin?.operation !== BEGIN_OPERATION)
      return this.fault("chain-altered", 1, "The first record of the chain does not begin it.");
    const { previous } = begin;
    if (!previous) {
      if (this.#chains.size > 1) this.fault("chain-fork", 1, "The chain follows none, but is not the first.");
      return;
    }
    const before = this.#chains.get(previous.chain);
    if (!before || before === at) {
      return this.fault("chain-missing", 1, `It follows chain ${previous.chain}, which is not there.`);
    }
    if (before.followed) this.fault("chain-fork", 1, `Two chains follow chain ${previous.chain}.`);
    before.followed = true;
    if (before.seq > previous.seq) {
      const beyond = `Chain ${previous.chain} has records behind ${previous.seq}, where this one follows it.`;
      this.fault("chain-fork", 1, beyond);
    } else if (before.seq < previous.seq) {
      const detail = `The next chain follows record ${previous.seq}, but the chain ends with ${before.seq}.`;
      this.#faultOf(before, "truncated", before.seq + 1, detail);
    } else if (before.hash.toString("hex") !== previous.hash) {
      const range = `${before.signedTo + 1} to ${before.seq}`;
      const detail = `Records ${range} are not those that the next chain follows.`;
      this.#faultOf(before, "head-differs", before.signedTo + 1, detail);
    }
  }

  #faultOf(state: ChainState, what: AuditFaultKind, seq: number, detail: string): void {
    const at = this.#at;
    this.#at = state;
    this.fault(what, seq, detail);
    this.#at = at;
  }

  #introduce(at: ChainState, text: string | Uint8Array): void {
    const introduction = recordOf(text)?.newKey;
    if (introduction && this.#signers.introduce(introduction)) return;
    const detail = `Record ${at.seq} introduces a key without the signature of the one that signs.`;
    this.fault("key-untrusted", at.seq, detail);
  }

  /** Undefined where the signature does not count. What is signed already may be signed by a former key once more. */
  #signerOf(at: ChainState, head: Head, signed: SignedHead): "may sign" | "was replaced" | undefined {
    const found = this.#signers.find(head.key);
    if (!found) {
      this.fault("key-untrusted", head.seq, `The head is signed by ${head.key}, which may not sign.`);
      return undefined;
    }
    if (!isSignedBy(found.key, signed)) {
      this.fault(
        "signature-invalid",
        head.seq,
        `The signature of the head at record ${head.seq} is not valid.`,
      );
      return undefined;
    }
    const isKnown =
      at.baseSigned &&
      head.seq === at.signedTo &&
      head.seq === at.seq &&
      head.hash === at.hash.toString("hex");
    if (found.isRetired && !isKnown) {
      this.fault("key-untrusted", head.seq, `The head is signed by ${head.key}, which was replaced before.`);
      return undefined;
    }
    this.#signedBy.add(head.key);
    return found.isRetired ? "was replaced" : "may sign";
  }

  #recognise(at: ChainState): void {
    const name = `${at.chain} ${at.seq}`;
    if (this.#known.get(name)?.hash === at.hash.toString("hex")) this.#known.delete(name);
  }

  #endChain(): void {
    const at = this.#at;
    if (at && !at.baseSigned)
      this.fault("base-unsigned", at.seq, `No signed head names record ${at.seq}, which is elsewhere.`);
  }
}
