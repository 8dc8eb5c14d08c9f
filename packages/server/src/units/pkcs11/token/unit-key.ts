import { createPublicKey } from "node:crypto";
import { Failure } from "../../../core/errors.ts";
import { CKA, CKK, CKM, CKO } from "./cryptoki.ts";
import type { MasterKeyScope } from "./master-keys.ts";
import type { ObjectHandle } from "./module.ts";
import { template } from "./module.ts";
import type { TokenSession } from "./token-session.ts";

/** RSA, so that a token which wraps for it needs nothing but OAEP. */
const UNIT_KEY_BITS = 3072;

const EXPONENT = Buffer.from([1, 0, 1]);

/**
 * The unit's own key pair in the token: its public part is the unit's identity, and what other units wrap master keys for.
 * It is made when the unit is, and never again.
 */
export class UnitKey {
  readonly #token: TokenSession;
  readonly #label: string;

  constructor(token: TokenSession, { group }: MasterKeyScope) {
    this.#token = token;
    this.#label = `claviger ${group} UNIT-KEY`;
  }

  /**
   * DER SubjectPublicKeyInfo, as the private key says: its public object can be replaced by whoever reaches the token, without
   * the PIN.
   * @throws Failure `unit-missing` in a token that is no unit yet, `unit-token-damaged`.
   */
  publicKey(): Uint8Array {
    const { module, session } = this.#token;
    return spkiOf(module.attribute(session, this.privateKey(), CKA.MODULUS), EXPONENT);
  }

  /** As `publicKey`, for a token that becomes a unit, or had begun to. */
  createOrPublicKey(): Uint8Array {
    const { module, session } = this.#token;
    if (!this.#find()) {
      const both = {
        KEY_TYPE: CKK.RSA,
        TOKEN: true,
        LABEL: this.#label,
        ID: Buffer.from(this.#label),
      } as const;
      module.generateKeyPair(
        session,
        CKM.RSA_PKCS_KEY_PAIR_GEN,
        template({
          ...both,
          CLASS: CKO.PUBLIC_KEY,
          PRIVATE: false,
          ENCRYPT: false,
          VERIFY: false,
          WRAP: true,
          MODULUS_BITS: UNIT_KEY_BITS,
          PUBLIC_EXPONENT: EXPONENT,
        }),
        template({
          ...both,
          CLASS: CKO.PRIVATE_KEY,
          PRIVATE: true,
          SENSITIVE: true,
          EXTRACTABLE: false,
          DECRYPT: false,
          SIGN: false,
          UNWRAP: true,
        }),
      );
    }
    return this.publicKey();
  }

  /** @throws Failure `unit-missing`, `unit-token-damaged`. */
  privateKey(): ObjectHandle {
    const key = this.#find();
    if (!key) throw new Failure("unit-missing", "The token holds no unit of this group.");
    return key;
  }

  #find(): ObjectHandle | undefined {
    const { module, session } = this.#token;
    const wanted = template({ CLASS: CKO.PRIVATE_KEY, TOKEN: true, PRIVATE: true, LABEL: this.#label });
    const [key, second] = module.find(session, wanted, 2);
    if (second) throw new Failure("unit-token-damaged", "The key of the unit is in the token twice.");
    return key;
  }
}

/** DER SubjectPublicKeyInfo of an RSA key (RFC 8017 A.1.1), from its two numbers, big endian. */
function spkiOf(modulus: Uint8Array, exponent: Uint8Array): Uint8Array {
  const n = Buffer.from(modulus).toString("base64url");
  const e = Buffer.from(exponent).toString("base64url");
  return createPublicKey({ key: { kty: "RSA", n, e }, format: "jwk" }).export({
    format: "der",
    type: "spki",
  });
}

/** The two numbers of an RSA key of at least the size of a unit's. @throws Failure `invalid-request` for what is none. */
export function numbersOf(spki: Uint8Array): { readonly modulus: Buffer; readonly exponent: Buffer } {
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
    const { n, e } = key.export({ format: "jwk" });
    if (n !== undefined && e !== undefined && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= UNIT_KEY_BITS)
      return { modulus: Buffer.from(n, "base64url"), exponent: Buffer.from(e, "base64url") };
  } catch (cause) {
    throw new Failure("invalid-request", "not a DER SubjectPublicKeyInfo", { field: "publicKey", cause });
  }
  throw new Failure("invalid-request", `units have RSA keys of ${UNIT_KEY_BITS} bits`, {
    field: "publicKey",
  });
}
