import { kwpLengthBytes } from "../../../core/crypto/aes-kwp.ts";
import { CBC_DATA, CBC_NONCE_BYTES, cbcIv } from "../../../core/crypto/cbc-message-key.ts";
import { TAG_BYTES } from "../../../core/crypto/gcm.ts";
import { isPayloadSuite, PAYLOAD_SUITES } from "../../../core/crypto/payload-suite.ts";
import { randomNonce } from "../../../core/crypto/random.ts";
import { Failure } from "../../../core/errors.ts";
import type { SealedPayload } from "../../../core/unit/crypto-unit.ts";
import { CKM } from "./cryptoki.ts";
import { MATERIAL_IN_USE, NEW_MATERIAL, OPENING_KEY, SEALING_KEY } from "./key-templates.ts";
import { aesCbcEncryptData, aesGcm } from "./mechanisms.ts";
import type { Mechanism, ObjectHandle } from "./module.ts";
import { OpenedMaterial } from "./opened-material.ts";
import { refusable } from "./refusable.ts";
import type { TokenSession } from "./token-session.ts";
import { TokenTrouble } from "../host/outcomes.ts";
import { WrappedKeys } from "./wrapped-keys.ts";

const MATERIAL_BYTES = 32;
const WRAPPED_BYTES = kwpLengthBytes(MATERIAL_BYTES);
const MAX_RANDOM_BYTES = 65_536;
const CBC_IV_BYTES = 16;

/** The suite whose message keys a token derives without their leaving it. */
const SUITE_INSIDE = 3;

/**
 * Key material in a token and its use, in the formats of docs/wrapped-key-format.md. It seals with suite 3, and opens the
 * others' payloads with message keys that the token computes: such a key is in the memory of this process for its one message.
 */
export class TokenMaterials {
  readonly #token: TokenSession;
  readonly #keys: WrappedKeys;

  constructor(token: TokenSession, kwp: number) {
    this.#token = token;
    this.#keys = new WrappedKeys(token, kwp);
  }

  generate(kek: ObjectHandle): Uint8Array {
    const { module, session } = this.#token;
    return this.#keys.using(module.generateKey(session, CKM.AES_KEY_GEN, NEW_MATERIAL), (key) => {
      const wrapped = this.#keys.wrap(kek, key, MATERIAL_IN_USE);
      if (wrapped.byteLength !== WRAPPED_BYTES)
        throw new TokenTrouble("C_WrapKey gave another length", "here");
      return wrapped;
    });
  }

  /**
   * The caller closes it. `kek` is looked up now, and again when the material is first used for an HMAC.
   * @throws Failure `record-not-vouched`.
   */
  open(kek: () => ObjectHandle, wrapped: Uint8Array): OpenedMaterial {
    if (wrapped.byteLength !== WRAPPED_BYTES)
      throw new Failure("record-not-vouched", `key material has ${MATERIAL_BYTES} bytes`);
    return new OpenedMaterial(this.#token, this.#keys, { kek, wrapped: Uint8Array.from(wrapped) });
  }

  encrypt(material: OpenedMaterial, plaintext: Uint8Array, aad: Uint8Array): SealedPayload {
    const { module, session } = this.#token;
    const nonce = randomNonce(CBC_NONCE_BYTES);
    const gcm = aesGcm(cbcIv(nonce), aad);
    const sealed = material.withDerived(derivation(nonce), SEALING_KEY, (key) =>
      module.encrypt(session, gcm, key, plaintext, TAG_BYTES),
    );
    return { suite: SUITE_INSIDE, nonce, sealed };
  }

  /**
   * The plaintext, which the caller wipes.
   * @throws Failure `ciphertext-refused`, whatever it is that does not fit.
   */
  decrypt(material: OpenedMaterial, payload: SealedPayload, aad: Uint8Array): Uint8Array {
    const plaintext = this.#open(material, payload, aad);
    if (plaintext === "refused") throw new Failure("ciphertext-refused");
    return plaintext;
  }

  /** HMAC-SHA-256, 32 bytes. */
  mac(material: OpenedMaterial, data: Uint8Array): Uint8Array {
    return material.mac(data);
  }

  /** @throws Failure `invalid-request`. */
  random(lengthBytes: number): Uint8Array {
    if (!Number.isInteger(lengthBytes) || lengthBytes < 1 || lengthBytes > MAX_RANDOM_BYTES)
      throw new Failure("invalid-request", `1 to ${MAX_RANDOM_BYTES} random bytes`, { field: "lengthBytes" });
    const { module, session } = this.#token;
    return module.random(session, lengthBytes);
  }

  close(material: OpenedMaterial): void {
    material.close();
  }

  #open(material: OpenedMaterial, payload: SealedPayload, aad: Uint8Array): Uint8Array | "refused" {
    const { suite, nonce, sealed } = payload;
    if (suite !== SUITE_INSIDE)
      return isPayloadSuite(suite)
        ? PAYLOAD_SUITES[suite].open(material.payloadKey, payload, aad)
        : "refused";
    // Tokens take no bytes at all for an empty message, without a tag.
    if (nonce.byteLength !== CBC_NONCE_BYTES || sealed.byteLength < TAG_BYTES) return "refused";
    const { module, session } = this.#token;
    const gcm = aesGcm(cbcIv(nonce), aad);
    return material.withDerived(derivation(nonce), OPENING_KEY, (key) =>
      refusable(
        this.#token,
        () => this.#proveOpening(material),
        () => module.decrypt(session, gcm, key, sealed),
      ),
    );
  }

  /** That what was sealed a moment ago opens. @throws TokenError where not: the token is in trouble. */
  #proveOpening(material: OpenedMaterial): void {
    const { module, session } = this.#token;
    const { nonce, sealed } = this.encrypt(material, CBC_DATA, CBC_DATA);
    const gcm = aesGcm(cbcIv(nonce), CBC_DATA);
    material.withDerived(derivation(nonce), OPENING_KEY, (key) => module.decrypt(session, gcm, key, sealed));
  }
}

function derivation(nonce: Uint8Array): Mechanism {
  return aesCbcEncryptData(nonce.subarray(0, CBC_IV_BYTES), CBC_DATA);
}
