import { createSecretKey } from "node:crypto";
import { unwrapKwp, wrapKwp } from "../../core/crypto/aes-kwp.ts";
import {
  CURRENT_SUITE,
  isPayloadSuite,
  PAYLOAD_SUITES,
  payloadMac,
} from "../../core/crypto/payload-suite.ts";
import { randomSecret } from "../../core/crypto/random.ts";
import { Failure } from "../../core/errors.ts";
import { SecretBytes } from "../../core/secret/secret-bytes.ts";
import type { KekHandle, MaterialFace, MaterialHandle, SealedPayload } from "../../core/unit/crypto-unit.ts";
import type { HandleOwner } from "./handles.ts";
import { SoftwareKek, SoftwareMaterial } from "./handles.ts";

const MATERIAL_BYTES = 32;
const MAX_RANDOM_BYTES = 65_536;

/** Key material of a software unit and its use. A call is one piece of synchronous work, a few microseconds long. */
export class SoftwareMaterials implements MaterialFace {
  readonly #owner: HandleOwner;

  constructor(owner: HandleOwner) {
    this.#owner = owner;
  }

  async generate(kek: KekHandle): Promise<Uint8Array> {
    const key = SoftwareKek.keyOf(kek, this.#owner);
    const material = randomSecret(MATERIAL_BYTES);
    const wrapped = wrapKwp(key, material);
    material.fill(0);
    return wrapped;
  }

  async open(kek: KekHandle, wrapped: Uint8Array): Promise<MaterialHandle> {
    const material = unwrapKwp(SoftwareKek.keyOf(kek, this.#owner), wrapped);
    if (material === "refused")
      throw new Failure("record-not-vouched", "the key material does not unwrap under its KEK");
    const key = material.byteLength === MATERIAL_BYTES ? createSecretKey(material) : undefined;
    material.fill(0);
    if (!key) throw new Failure("record-not-vouched", `key material has ${MATERIAL_BYTES} bytes`);
    return new SoftwareMaterial(this.#owner, key);
  }

  async encrypt(material: MaterialHandle, plaintext: Uint8Array, aad: Uint8Array): Promise<SealedPayload> {
    const key = SoftwareMaterial.keyOf(material, this.#owner);
    const { nonce, sealed } = PAYLOAD_SUITES[CURRENT_SUITE].seal(key, plaintext, aad);
    return { suite: CURRENT_SUITE, nonce, sealed };
  }

  async decrypt(material: MaterialHandle, payload: SealedPayload, aad: Uint8Array): Promise<SecretBytes> {
    const key = SoftwareMaterial.keyOf(material, this.#owner);
    const { suite } = payload;
    const plaintext = isPayloadSuite(suite) ? PAYLOAD_SUITES[suite].open(key, payload, aad) : "refused";
    if (plaintext === "refused") throw new Failure("ciphertext-refused");
    return new SecretBytes(plaintext);
  }

  async mac(material: MaterialHandle, data: Uint8Array): Promise<Uint8Array> {
    return payloadMac(SoftwareMaterial.macKeyOf(material, this.#owner), data);
  }

  async random(lengthBytes: number): Promise<SecretBytes> {
    this.#owner.assertOpen();
    if (!Number.isInteger(lengthBytes) || lengthBytes < 1 || lengthBytes > MAX_RANDOM_BYTES) {
      throw new Failure("invalid-request", `1 to ${MAX_RANDOM_BYTES} random bytes`, { field: "lengthBytes" });
    }
    return new SecretBytes(randomSecret(lengthBytes));
  }
}
