import { unwrapKwp, wrapKwp } from "../../core/crypto/aes-kwp.ts";
import type { MessageType, SignatureAlgorithm, SigningSpec } from "../../core/crypto/signature-algorithms.ts";
import {
  algorithmsOf,
  generateSigningKey,
  messageRefusal,
  readSigningKey,
  signMessage,
} from "../../core/crypto/signature-algorithms.ts";
import { Failure } from "../../core/errors.ts";
import type { KekHandle, SigningFace, SigningHandle } from "../../core/unit/crypto-unit.ts";
import type { HandleOwner } from "./handles.ts";
import { SoftwareKek, SoftwareSigningKey } from "./handles.ts";

/** Signing keys of a software unit. PKCS#8 is parsed when a key is opened; pairs and signatures are made in the thread pool. */
export class SoftwareSigning implements SigningFace {
  readonly #owner: HandleOwner;

  constructor(owner: HandleOwner) {
    this.#owner = owner;
  }

  async generateKeyPair(
    kek: KekHandle,
    spec: SigningSpec,
  ): Promise<{ readonly publicKey: Uint8Array; readonly wrapped: Uint8Array }> {
    SoftwareKek.keyOf(kek, this.#owner);
    const { publicKey, pkcs8 } = await generateSigningKey(spec);
    try {
      return { publicKey, wrapped: wrapKwp(SoftwareKek.keyOf(kek, this.#owner), pkcs8) };
    } finally {
      pkcs8.fill(0);
    }
  }

  async open(kek: KekHandle, spec: SigningSpec, wrapped: Uint8Array): Promise<SigningHandle> {
    const pkcs8 = unwrapKwp(SoftwareKek.keyOf(kek, this.#owner), wrapped);
    if (pkcs8 === "refused")
      throw new Failure("record-not-vouched", "the signing key does not unwrap under its KEK");
    const key = readSigningKey(spec, pkcs8);
    pkcs8.fill(0);
    if (key === "refused") throw new Failure("record-not-vouched", `the signing key is none of ${spec}`);
    return new SoftwareSigningKey(this.#owner, spec, key);
  }

  async sign(
    handle: SigningHandle,
    algorithm: SignatureAlgorithm,
    message: Uint8Array,
    type: MessageType = "RAW",
  ): Promise<Uint8Array> {
    const { spec, key } = SoftwareSigningKey.keyOf(handle, this.#owner);
    if (!algorithmsOf(spec).includes(algorithm))
      throw new Failure("algorithm-refused", `a key of ${spec} does not sign with ${algorithm}`);
    const refused = messageRefusal(algorithm, type, message);
    if (refused !== undefined) throw new Failure("algorithm-refused", refused);
    return await signMessage(algorithm, key, message, type);
  }
}
