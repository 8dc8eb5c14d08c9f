import { randomFillSync } from "node:crypto";
import type { ProofName } from "../token-facts.ts";
import { CKA } from "./cryptoki.ts";
import type { ObjectHandle, Pkcs11Module, Session, Template } from "./module.ts";
import { TokenError } from "./module.ts";
import { AMBIGUOUS } from "./return-codes.ts";

/**
 * One thing that a token is asked to do and whose answer is known. It makes session objects only, in a session of its own
 * that takes them with it, whatever state the proof leaves it in.
 */
export interface Proof {
  readonly name: ProofName;
  readonly title: string;
  /** Mechanisms that it needs. They are asked for even where the token does not list them: NSS leaves some out. */
  readonly mechanisms: readonly number[];
  /**
   * Returns a remark for the report, or nothing.
   * @throws WrongAnswer; TokenError, which is a refusal too; Lacking.
   */
  readonly run: (bench: Bench) => string | void;
}

/** What a proof works with. */
export interface Bench {
  readonly module: Pkcs11Module;
  readonly session: Session;
  /** Puts a secret key of this value into the token, with these attributes. @throws Lacking. */
  readonly knownKey: (value: Uint8Array, attributes: Template) => ObjectHandle;
  /** The mechanism that is proved to be KWP. @throws Lacking. */
  readonly kwp: () => number;
  /** An RSA key pair of the token that signs and unwraps, made when it is first asked for. */
  readonly rsaPair: () => KeyPair;
}

export interface KeyPair {
  readonly publicKey: ObjectHandle;
  readonly privateKey: ObjectHandle;
}

/** The token did something, and not what the standard says. */
export class WrongAnswer extends Error {}

/** The proof needs what was not proved. */
export class Lacking extends Error {}

/** In front of every key that is digested. */
const DIGEST_LABEL = Buffer.from("claviger probe", "latin1");

/** What `digestOf` gives of a key of this value. */
export function digestInput(value: Uint8Array): Buffer {
  return Buffer.concat([DIGEST_LABEL, value]);
}

/** SHA-256 over a label and the value of a key, computed inside: by it two keys are told to be the same. */
export function digestOf({ module, session }: Bench, key: ObjectHandle): Buffer {
  return module.digest(session, DIGEST_LABEL, [key]);
}

export function expectSame(what: string, got: Uint8Array, expected: Uint8Array): void {
  if (!Buffer.from(got).equals(expected)) throw new WrongAnswer(`${what} is wrong`);
}

/**
 * What the token must refuse, and so that nobody takes it for a failure of the token: whoever sends damaged ciphertexts
 * would have it initialised again and again.
 */
export function expectRefused(what: string, work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    const { code, rule } = error;
    if (rule.isSessionUsable || AMBIGUOUS.has(code)) return;
    throw new WrongAnswer(`${what} is answered with ${rule.name}, as if the token had failed`);
  }
  throw new WrongAnswer(`${what} is accepted`);
}

/**
 * Does with node:crypto what another unit would do with what the token gave.
 *
 * A module that finds the OpenSSL of Node.js in place of its own, as SoftHSM does, leaves its errors there, and node:crypto
 * would take them for those of `work`. Drawing random bytes drops them.
 */
export function elsewhere<Result>(what: string, work: () => Result): Result {
  randomFillSync(new Uint8Array(1));
  try {
    return work();
  } catch (error) {
    // node:crypto has many codes for what it cannot read, and every one of them means that.
    throw new WrongAnswer(`${what} is of no use elsewhere`, { cause: error });
  }
}

/** The same bytes with the lowest bit of one of them changed. */
export function flipped(bytes: Uint8Array, at: number): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
  return changed;
}

/** That the key keeps its value to itself, and has the mark that the template asked for. */
export function expectSensitive(
  { module, session }: Bench,
  what: string,
  key: ObjectHandle,
  isExtractable: boolean,
): void {
  if (!module.isSet(session, key, CKA.SENSITIVE)) throw new WrongAnswer(`${what} is not sensitive`);
  if (module.isSet(session, key, CKA.EXTRACTABLE) !== isExtractable)
    throw new WrongAnswer(`${what} is ${isExtractable ? "not " : ""}extractable, against its template`);
  if (readable(() => module.attribute(session, key, CKA.VALUE))) throw new WrongAnswer(`${what} can be read`);
}

/** Some tokens give an empty value where others refuse. */
function readable(read: () => Uint8Array): boolean {
  try {
    return read().byteLength > 0;
  } catch (error) {
    if (error instanceof TokenError) return false;
    throw error;
  }
}
