import { createSecretKey } from "node:crypto";
import { unwrapKwp, wrapKwp } from "../../core/crypto/aes-kwp.ts";
import { generateImportKey, readImportKey, unwrapImport } from "../../core/crypto/import-wrap.ts";
import { isPayloadSuite, PAYLOAD_SUITES, payloadMac } from "../../core/crypto/payload-suite.ts";
import { randomSecret } from "../../core/crypto/random.ts";
import { Failure } from "../../core/errors.ts";
import { SecretBytes } from "../../core/secret/secret-bytes.ts";
import type {
  KekHandle,
  MaterialFace,
  MaterialHandle,
  SealedPayload,
  WrappedForImport,
} from "../../core/unit/crypto-unit.ts";
import { ABILITIES } from "./abilities.ts";
import type { HandleOwner } from "./handles.ts";
import { SoftwareKek, SoftwareMaterial } from "./handles.ts";

const MATERIAL_BYTES = 32;
const MAX_RANDOM_BYTES = 65_536;

/**
 * Key material of a software unit and its use. A call is one piece of synchronous work, a few microseconds long; those of
 * an import take milliseconds, and its key pair is made in the thread pool.
 */
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

  async createImportKey(kek: KekHandle): Promise<{ publicKey: Uint8Array; wrapped: Uint8Array }> {
    SoftwareKek.keyOf(kek, this.#owner);
    const { publicKey, pkcs8 } = await generateImportKey();
    try {
      return { publicKey, wrapped: wrapKwp(SoftwareKek.keyOf(kek, this.#owner), pkcs8) };
    } finally {
      pkcs8.fill(0);
    }
  }

  async importMaterial(kek: KekHandle, material: WrappedForImport): Promise<Uint8Array> {
    const key = SoftwareKek.keyOf(kek, this.#owner);
    const pkcs8 = unwrapKwp(key, material.importKey);
    const importKey = pkcs8 === "refused" ? pkcs8 : readImportKey(pkcs8);
    if (pkcs8 !== "refused") pkcs8.fill(0);
    if (importKey === "refused")
      throw new Failure("record-not-vouched", "the import key does not unwrap under its KEK");
    const unwrapped = unwrapImport(material.algorithm, importKey, material.wrapped);
    if (unwrapped === "refused") throw new Failure("key-material-refused");
    try {
      if (unwrapped.byteLength !== MATERIAL_BYTES) throw new Failure("key-material-refused");
      return wrapKwp(key, unwrapped);
    } finally {
      unwrapped.fill(0);
    }
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
    const suite = ABILITIES.payloadSuite;
    const { nonce, sealed } = PAYLOAD_SUITES[suite].seal(key, plaintext, aad);
    return { suite, nonce, sealed };
  }

  async decrypt(material: MaterialHandle, payload: SealedPayload, aad: Uint8Array): Promise<SecretBytes> {
    const key = SoftwareMaterial.keyOf(material, this.#owner);
    const { suite } = payload;
    const plaintext = isPayloadSuite(suite) ? PAYLOAD_SUITES[suite].open(key, payload, aad) : "refused";
    if (plaintext === "refused") throw new Failure("ciphertext-refused");
    return new SecretBytes(plaintext);
  }

  async mac(material: MaterialHandle, data: Uint8Array): Promise<Uint8Array> {
    return payloadMac(SoftwareMaterial.keyOf(material, this.#owner), data);
  }

  async random(lengthBytes: number): Promise<SecretBytes> {
    this.#owner.assertOpen();
    if (!Number.isInteger(lengthBytes) || lengthBytes < 1 || lengthBytes > MAX_RANDOM_BYTES) {
      throw new Failure("invalid-request", `1 to ${MAX_RANDOM_BYTES} random bytes`, { field: "lengthBytes" });
    }
    return new SecretBytes(randomSecret(lengthBytes));
  }
}
