import type { MessageType, SignatureAlgorithm, SigningSpec } from "../../core/crypto/signature-algorithms.ts";
import { algorithmsOf, messageRefusal } from "../../core/crypto/signature-algorithms.ts";
import { Failure } from "../../core/errors.ts";
import type { KekHandle, SigningFace, SigningHandle, UnitAbilities } from "../../core/unit/crypto-unit.ts";
import type { Asking } from "./asking.ts";
import { GENERATE, QUICK } from "./asking.ts";
import type { HandleOwner } from "./handles.ts";
import { own, TokenKek, TokenSigningKey } from "./handles.ts";
import { OP } from "./requests.ts";

/** Signing keys of a PKCS#11 unit. */
export class TokenSigningFace implements SigningFace {
  readonly #asking: Asking;
  readonly #owner: HandleOwner;
  readonly #abilities: UnitAbilities;

  constructor(asking: Asking, owner: HandleOwner, abilities: UnitAbilities) {
    this.#asking = asking;
    this.#owner = owner;
    this.#abilities = abilities;
  }

  async generateKeyPair(
    kek: KekHandle,
    spec: SigningSpec,
  ): Promise<{ readonly publicKey: Uint8Array; readonly wrapped: Uint8Array }> {
    const under = own(TokenKek, kek, this.#owner);
    this.#assertAble(spec);
    const reply = await this.#asking.askOf(under, OP.generateKeyPair, GENERATE, (asked) => asked.text(spec));
    return { publicKey: reply.bytes(), wrapped: reply.bytes() };
  }

  async open(kek: KekHandle, spec: SigningSpec, wrapped: Uint8Array): Promise<SigningHandle> {
    const under = own(TokenKek, kek, this.#owner);
    this.#assertAble(spec);
    const handle = new TokenSigningKey(this.#owner, under, spec, wrapped);
    await this.#asking.open(handle);
    return handle;
  }

  async sign(
    handle: SigningHandle,
    algorithm: SignatureAlgorithm,
    message: Uint8Array,
    type: MessageType = "RAW",
  ): Promise<Uint8Array> {
    const key = own(TokenSigningKey, handle, this.#owner);
    if (!algorithmsOf(key.spec).includes(algorithm))
      throw new Failure("algorithm-refused", `a key of ${key.spec} does not sign with ${algorithm}`);
    const refused = messageRefusal(algorithm, type, message);
    if (refused !== undefined) throw new Failure("algorithm-refused", refused);
    const reply = await this.#asking.askOf(key, OP.sign, QUICK, (asked) => {
      asked.text(algorithm);
      asked.text(type);
      asked.bytes(message);
    });
    return reply.bytes();
  }

  #assertAble(spec: SigningSpec): void {
    if (!this.#abilities.signingSpecs.includes(spec))
      throw new Failure("unit-lacks-ability", `the token has no keys of ${spec}`);
  }
}
