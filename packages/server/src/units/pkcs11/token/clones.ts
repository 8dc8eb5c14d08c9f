import type { CloneInTwo, CloneRoute, OaepHash } from "../../../core/crypto/master-key-clone.ts";
import {
  CLONE_PROOF_BYTES,
  cloneProofInput,
  cloneRefused,
  OAEP_HASH_OF_FORM_2,
  readCloneInTwo,
  writeCloneInTwo,
} from "../../../core/crypto/master-key-clone.ts";
import { randomNonce } from "../../../core/crypto/random.ts";
import { timingSafeEqual } from "../../../core/crypto/timing-safe-equal.ts";
import { Failure } from "../../../core/errors.ts";
import type { UnitAddress } from "../../../core/ids.ts";
import { shownVp } from "../../../core/ids.ts";
import type { CloneRequest, PeerKey } from "../../../core/unit/crypto-unit.ts";
import { importInto } from "../../../core/unit/registers.ts";
import type { RegisterReading, Registers } from "../../../core/unit/registers.ts";
import { CKA, CKK, CKM, CKO } from "./cryptoki.ts";
import { masterKeyPair } from "./key-templates.ts";
import { rsaOaep } from "./mechanisms.ts";
import type { MasterKeys, MasterKeyScope, PairInUse } from "./master-keys.ts";
import type { Attributes, ObjectHandle } from "./module.ts";
import { template, TokenError } from "./module.ts";
import { isGeneration } from "./register-labels.ts";
import { AMBIGUOUS } from "./return-codes.ts";
import type { TokenPair } from "./token-pairs.ts";
import { ID_BYTES } from "./token-pairs.ts";
import type { TokenSession } from "./token-session.ts";
import type { UnitKey } from "./unit-key.ts";
import { numbersOf } from "./unit-key.ts";

const OAEP_LIMIT_BYTES = 1024;
const ORDER = ["OLD", "CURRENT", "NEW"] as const;

/**
 * Master keys on their way from one unit to another in form 2 (docs/wrapped-key-format.md §10): wrapped by RSA-OAEP for the
 * recipient's key, whose public part is pinned in the sender's token, and proved by an HMAC under the MAC key itself. Between
 * two tokens nothing of it is in clear anywhere else.
 */
export class MasterKeyClones {
  readonly #token: TokenSession;
  readonly #masterKeys: MasterKeys;
  readonly #scope: MasterKeyScope;
  readonly #unitKey: UnitKey;

  constructor(token: TokenSession, masterKeys: MasterKeys, scope: MasterKeyScope, unitKey: UnitKey) {
    this.#token = token;
    this.#masterKeys = masterKeys;
    this.#scope = scope;
    this.#unitKey = unitKey;
  }

  /**
   * The new key is there before the former one goes, and of two neither counts: a pin that was interrupted is none.
   * @throws Failure `invalid-request` for what is no key of a unit.
   */
  pin({ address, publicKey }: PeerKey): void {
    const { module, session } = this.#token;
    const { modulus, exponent } = numbersOf(publicKey);
    const pinned = this.#pinned(address);
    const isSame = (key: ObjectHandle) => modulus.equals(module.attribute(session, key, CKA.MODULUS));
    const kept = pinned.find(isSame);
    const label = this.#peerLabel(address);
    if (!kept)
      module.createObject(
        session,
        template({
          CLASS: CKO.PUBLIC_KEY,
          KEY_TYPE: CKK.RSA,
          TOKEN: true,
          PRIVATE: true,
          WRAP: true,
          ENCRYPT: false,
          VERIFY: false,
          LABEL: label,
          ID: Buffer.from(randomNonce(ID_BYTES)),
          MODULUS: modulus,
          PUBLIC_EXPONENT: exponent,
        }),
      );
    for (const key of pinned) if (key !== kept) module.destroyObject(session, key);
  }

  /** @throws Failure `unit-peer-not-pinned`, `register-state`, `register-pattern-mismatch`, `unit-lacks-ability`. */
  export(route: CloneRoute): Uint8Array {
    const { module, session } = this.#token;
    const { register, vp } = route.request;
    const peer = this.#peer(route.recipient);
    const held = this.#masterKeys.read()[register];
    if (!held) throw new Failure("register-state", `${register} is empty`);
    if (held.vp !== vp)
      throw new Failure("register-pattern-mismatch", `${register} holds ${shownVp(held.vp)}`);
    const { wrapping, mac, generation } = held.pair;
    // NSS would wrap one that is not extractable, too.
    if (!module.isSet(session, wrapping, CKA.EXTRACTABLE))
      throw new Failure(
        "unit-lacks-ability",
        `the master key in ${register} of unit ${route.sender} was put there so that it cannot leave its token`,
      );
    const hash = hashOf(route);
    const wrap = (key: ObjectHandle) => module.wrap(session, rsaOaep(hash), peer, key, OAEP_LIMIT_BYTES);
    const clone = { hash, generation, keys: [wrap(wrapping), wrap(mac)] } as const;
    return writeCloneInTwo(clone, this.#proof(mac, route, clone));
  }

  /** @throws Failure `register-state`, `register-pattern-mismatch`, `ciphertext-refused`. */
  import(route: CloneRoute, wrapped: Uint8Array): RegisterReading {
    const { register, vp } = route.request;
    const { clone, proof } = readCloneInTwo(wrapped, hashOf(route));
    if (!isGeneration(clone.generation)) throw cloneRefused();
    const pair = this.#unwrap(clone);
    try {
      if (!timingSafeEqual(this.#proof(pair.mac, route, clone), proof)) throw cloneRefused();
      if (this.#masterKeys.patternOf(pair) !== vp)
        throw new Failure(
          "register-pattern-mismatch",
          "the master key has another pattern than the request names",
        );
      this.#masterKeys.tidy();
      const before = this.#masterKeys.read();
      const fresh = { vp, pair: { id: Buffer.alloc(0), generation: clone.generation, ...pair } };
      if (importInto<TokenPair>(before, register, fresh) !== before) {
        const generation = fittingGeneration(before, register, clone.generation);
        const place = register === "NEW" ? "NEW-uncommitted" : register;
        this.#masterKeys.keep(pair, { place, generation });
      }
      return this.#masterKeys.reading();
    } finally {
      this.#destroy(pair);
    }
  }

  #unwrap({ hash, keys: [first, second] }: CloneInTwo): PairInUse {
    const { module, session } = this.#token;
    const own = this.#unitKey.privateKey();
    const { wrapping: aes, mac: hmac } = masterKeyPair(this.#scope);
    const unwrap = (blob: Uint8Array, half: Attributes) => {
      // The length is that of the wrapped value, and may not be said.
      const key = template({ ...half, TOKEN: false }).filter(({ type }) => type !== CKA.VALUE_LEN);
      return module.unwrap(session, rsaOaep(hash), own, blob, key);
    };
    try {
      const wrapping = unwrap(first, aes);
      try {
        return { wrapping, mac: unwrap(second, hmac) };
      } catch (error) {
        module.destroyObject(session, wrapping);
        throw error;
      }
    } catch (error) {
      if (
        error instanceof TokenError &&
        ((error.rule.failed !== "session" && error.rule.failed !== "token") || AMBIGUOUS.has(error.code))
      )
        throw cloneRefused();
      throw error;
    }
  }

  #proof(mac: ObjectHandle, route: CloneRoute, clone: CloneInTwo): Uint8Array {
    const { module, session } = this.#token;
    return module.sign(session, CKM.SHA256_HMAC, mac, cloneProofInput(route, clone), CLONE_PROOF_BYTES);
  }

  #peer(address: UnitAddress): ObjectHandle {
    const [key, second] = this.#pinned(address);
    if (!key || second) throw new Failure("unit-peer-not-pinned", `no public key is pinned for ${address}`);
    return key;
  }

  /** Without the PIN nobody makes a private object: what is not private was pinned by somebody else. */
  #pinned(address: UnitAddress): readonly ObjectHandle[] {
    const { module, session } = this.#token;
    const label = this.#peerLabel(address);
    return module.find(
      session,
      template({ CLASS: CKO.PUBLIC_KEY, TOKEN: true, PRIVATE: true, LABEL: label }),
      16,
    );
  }

  #peerLabel(address: UnitAddress): string {
    return `claviger ${this.#scope.group} PEER ${address}`;
  }

  #destroy({ wrapping, mac }: PairInUse): void {
    const { module, session } = this.#token;
    for (const key of [wrapping, mac]) module.destroyObject(session, key);
  }
}

/** @throws Failure `unit-lacks-ability` for form 1: a token wraps one key at a time. */
function hashOf({ request: { form } }: CloneRoute): OaepHash {
  if (form === "1") throw new Failure("unit-lacks-ability", "a token has no clones in form 1");
  return OAEP_HASH_OF_FORM_2[form];
}

/**
 * Generations say which of two is CURRENT, and a copy must not turn them round: it keeps its own where that fits, and else
 * gets the next one. Other units count differently, or not at all.
 */
function fittingGeneration(
  registers: Registers<TokenPair>,
  register: CloneRequest["register"],
  offered: number,
): number {
  const at = ORDER.indexOf(register);
  const among = (names: readonly CloneRequest["register"][]) =>
    names.flatMap((name) => registers[name]?.pair.generation ?? []);
  const above = Math.max(0, ...among(ORDER.slice(0, at)));
  const below = Math.min(Number.MAX_SAFE_INTEGER, ...among(ORDER.slice(at + 1)));
  const generation = offered > above && offered < below ? offered : above + 1;
  if (generation >= below)
    throw new Failure("register-state", "the copy would stand in the wrong order of generations");
  return generation;
}
