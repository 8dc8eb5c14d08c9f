import { timingSafeEqual } from "../../../../core/crypto/timing-safe-equal.ts";
import { TokenTrouble } from "../../host/outcomes.ts";
import { CKM } from "../../token/cryptoki.ts";
import type { ObjectHandle } from "../../token/module.ts";
import type { TokenSession } from "../../token/token-session.ts";
import { isRequestRefused } from "./key-wrapping.ts";

const PREFIX = Buffer.from("claviger project key comparison 1");
const BLOCK = Buffer.alloc(16);

/** Keys in pairs that must be the same, open until all of them have been compared. */
export class KeyPairs {
  readonly open: ObjectHandle[] = [];
  readonly ones: ObjectHandle[] = [];
  readonly others: ObjectHandle[] = [];

  /** To be destroyed at the end, compared or not. */
  keep(key: ObjectHandle): ObjectHandle {
    this.open.push(key);
    return key;
  }

  add(one: ObjectHandle, other: ObjectHandle): void {
    this.ones.push(one);
    this.others.push(other);
  }
}

/**
 * Compares keys that do not leave the token: by SHA-256 over them, which needs no right to use them; by one block that each
 * encrypts, where a token digests no keys. One digest over many keys costs two calls fewer for each than one of its own.
 */
export class KeyComparison {
  readonly #token: TokenSession;
  #digests = true;

  constructor(token: TokenSession) {
    this.#token = token;
  }

  /**
   * Compares what `work` has paired when it is done, and destroys what it has kept, whatever comes.
   * @throws TokenTrouble where a pair is of two keys; what `work` throws.
   */
  comparing<Result>(work: (pairs: KeyPairs) => Result): Result {
    const { module, session } = this.#token;
    const pairs = new KeyPairs();
    try {
      const result = work(pairs);
      if (!this.#areSame(pairs)) throw new TokenTrouble("a wrapped key came back as another one", "here");
      return result;
    } finally {
      for (const key of pairs.open) module.destroyObject(session, key);
    }
  }

  #areSame({ ones, others }: KeyPairs): boolean {
    if (ones.length === 0) return true;
    const [a, b] = [this.#fingerprint(ones), this.#fingerprint(others)];
    const same = timingSafeEqual(a, b);
    a.fill(0);
    b.fill(0);
    return same;
  }

  #fingerprint(keys: readonly ObjectHandle[]): Uint8Array {
    const { module, session } = this.#token;
    if (this.#digests) {
      try {
        return module.digest(session, PREFIX, keys);
      } catch (error) {
        if (!isRequestRefused(error)) throw error;
        this.#digests = false;
      }
    }
    return Buffer.concat(keys.map((key) => module.encrypt(session, CKM.AES_ECB, key, BLOCK)));
  }
}
