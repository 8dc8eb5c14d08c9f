import { Failure } from "../../core/errors.ts";
import { SecretBytes } from "../../core/secret/secret-bytes.ts";
import type {
  KekHandle,
  MaterialFace,
  MaterialHandle,
  SealedPayload,
  UnitAbilities,
  WrappedForImport,
} from "../../core/unit/crypto-unit.ts";
import type { Asking } from "./asking.ts";
import { GENERATE, QUICK } from "./asking.ts";
import type { HandleOwner } from "./handles.ts";
import { own, TokenKek, TokenMaterial } from "./handles.ts";
import { OP } from "./requests.ts";

const MAX_RANDOM_BYTES = 65_536;

/** Key material of a PKCS#11 unit. */
export class TokenMaterialFace implements MaterialFace {
  readonly #asking: Asking;
  readonly #owner: HandleOwner;
  readonly #abilities: UnitAbilities;

  constructor(asking: Asking, owner: HandleOwner, abilities: UnitAbilities) {
    this.#asking = asking;
    this.#owner = owner;
    this.#abilities = abilities;
  }

  async generate(kek: KekHandle): Promise<Uint8Array> {
    const reply = await this.#asking.askOf(this.#kek(kek), OP.generateMaterial, QUICK, nothing);
    return reply.bytes();
  }

  async createImportKey(
    kek: KekHandle,
  ): Promise<{ readonly publicKey: Uint8Array; readonly wrapped: Uint8Array }> {
    const under = this.#kek(kek);
    if (this.#abilities.importAlgorithms.length === 0)
      throw new Failure(
        "unit-lacks-ability",
        "the token has no RSA-OAEP with SHA-256, so nothing is imported into it",
      );
    const reply = await this.#asking.askOf(under, OP.createImportKey, GENERATE, nothing);
    return { publicKey: reply.bytes(), wrapped: reply.bytes() };
  }

  async importMaterial(kek: KekHandle, material: WrappedForImport): Promise<Uint8Array> {
    const under = this.#kek(kek);
    if (!this.#abilities.importAlgorithms.includes(material.algorithm))
      throw new Failure("unit-lacks-ability", `the token does not unwrap ${material.algorithm}`);
    const reply = await this.#asking.askOf(under, OP.importMaterial, QUICK, (asked) => {
      asked.text(material.algorithm);
      asked.bytes(material.importKey);
      asked.bytes(material.wrapped);
    });
    return reply.bytes();
  }

  async open(kek: KekHandle, wrapped: Uint8Array): Promise<MaterialHandle> {
    const handle = new TokenMaterial(this.#owner, this.#kek(kek), wrapped);
    await this.#asking.open(handle);
    return handle;
  }

  async encrypt(material: MaterialHandle, plaintext: Uint8Array, aad: Uint8Array): Promise<SealedPayload> {
    const reply = await this.#asking.askOf(this.#material(material), OP.encrypt, QUICK, (asked) => {
      asked.bytes(plaintext);
      asked.bytes(aad);
    });
    return { suite: reply.byte(), nonce: reply.bytes(), sealed: reply.bytes() };
  }

  async decrypt(material: MaterialHandle, payload: SealedPayload, aad: Uint8Array): Promise<SecretBytes> {
    const { suite, nonce, sealed } = payload;
    const reply = await this.#asking.askOf(this.#material(material), OP.decrypt, QUICK, (asked) => {
      asked.byte(suite);
      asked.bytes(nonce);
      asked.bytes(sealed);
      asked.bytes(aad);
    });
    return taken(reply.bytes());
  }

  async mac(material: MaterialHandle, data: Uint8Array): Promise<Uint8Array> {
    const reply = await this.#asking.askOf(this.#material(material), OP.mac, QUICK, (asked) =>
      asked.bytes(data),
    );
    return reply.bytes();
  }

  async random(lengthBytes: number): Promise<SecretBytes> {
    if (!this.#owner.isOpen) throw new Failure("unit-unreachable", "the unit is closed");
    if (!Number.isInteger(lengthBytes) || lengthBytes < 1 || lengthBytes > MAX_RANDOM_BYTES)
      throw new Failure("invalid-request", `1 to ${MAX_RANDOM_BYTES} random bytes`, { field: "lengthBytes" });
    const reply = await this.#asking.ask(OP.random, QUICK, (asked) => asked.count(lengthBytes));
    return taken(reply.bytes());
  }

  #kek(handle: KekHandle): TokenKek {
    return own(TokenKek, handle, this.#owner);
  }

  #material(handle: MaterialHandle): TokenMaterial {
    return own(TokenMaterial, handle, this.#owner);
  }
}

const nothing = (): void => undefined;

/** A secret in memory of its own: what it came in is wiped. */
function taken(bytes: Uint8Array): SecretBytes {
  const secret = new SecretBytes(Uint8Array.from(bytes));
  bytes.fill(0);
  return secret;
}
