import type { Context, ImportTokenView, KeyView, PublicKeyView, RouteInput, RouteReply } from "@claviger/api";
import { fromBase64, toBase64 } from "./base64.ts";
import type { Caller, PageQuery } from "./caller.ts";
import { WHOLE_PAGE } from "./caller.ts";
import type { Page } from "./pages.ts";
import { eachItem } from "./pages.ts";
import { wrapForImport } from "./wrap-for-import.ts";

/** Name or id of the project. */
export interface InProject {
  readonly project: string;
}
/** Names of the project and of the key in it, or their ids. */
export interface OneKey extends InProject {
  readonly key: string;
}
/** Whether keys that were destroyed are listed too. */
export interface Included {
  readonly include?: "destroyed" | undefined;
}
/** Pairs that are authenticated with a ciphertext and not secret; decrypt needs the same pairs, in any order. */
export interface WithContext {
  readonly context?: Context | undefined;
}
/** What is signed: with `DIGEST`, for RSA, the digest of a message of any size, by the hash of the algorithm. */
export interface Message {
  readonly message: Uint8Array;
  readonly messageType?: "RAW" | "DIGEST" | undefined;
}
/** Which version of which key was used. */
interface Used {
  readonly keyId: string;
  readonly keyVersion: number;
}

/** What one import goes by: a public key to wrap the material for, and when it ends. */
export interface ImportToken extends Omit<ImportTokenView, "publicKey"> {
  readonly publicKey: Uint8Array<ArrayBuffer>;
}
/** How material is wrapped for an import. */
export type ImportAlgorithmName = RouteInput<"importKey">["body"]["algorithm"];

/** How a message is signed. */
export type SignatureAlgorithmName = RouteReply<"sign">["algorithm"];
/** A signature, and how it was made. */
export interface Signed extends Used {
  /** ECDSA: DER (RFC 3279 §2.2.3); RSA: 384 bytes; Ed25519: 64. */
  readonly signature: Uint8Array<ArrayBuffer>;
  readonly algorithm: SignatureAlgorithmName;
}
/** Whether the signature is that of the message. */
export interface Verified extends Used {
  readonly valid: boolean;
  readonly algorithm: SignatureAlgorithmName;
}

/** A ciphertext, which names its key and version itself. */
export interface Encrypted extends Used {
  readonly ciphertext: Uint8Array<ArrayBuffer>;
}
/** A plaintext, and which key opened it. */
export interface Decrypted extends Used {
  readonly plaintext: Uint8Array<ArrayBuffer>;
}
/** A data key: in clear, to use and forget, and as a ciphertext, to keep beside the data. */
export interface DataKey extends Encrypted, Decrypted {}

/** Keys of a project, and their use. Bytes are Uint8Array here and base64 on the wire. */
export class Keys {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /**
   * Creates a key with its first version; of origin `imported` without one, to wait for its material. Default: a key of
   * AES_256, which encrypts; those of the other specs sign. Errors: `project-not-found`, `key-exists`, `mutations-frozen`.
   */
  create({
    project,
    name,
    spec,
    origin,
  }: InProject & {
    readonly name: string;
    readonly spec?: KeyView["spec"] | undefined;
    readonly origin?: KeyView["origin"] | undefined;
  }): Promise<KeyView> {
    return this.#caller.call("createKey", { params: { project }, body: { name, spec, origin } });
  }

  /** One page of the keys of a project: of those that are there, and with `include` of those that were destroyed too. */
  list({ project, ...page }: InProject & PageQuery & Included): Promise<Page<KeyView>> {
    return this.#caller.call("listKeys", { params: { project }, query: page });
  }

  /** Every key of a project. */
  all({ project, include }: InProject & Included): AsyncGenerator<KeyView, void, undefined> {
    return eachItem((after) => this.list({ project, include, limit: WHOLE_PAGE, after }));
  }

  /** Shows a key. Errors: `project-not-found`, `key-not-found`. */
  get({ project, key }: OneKey): Promise<KeyView> {
    return this.#caller.call("getKey", { params: { project, key } });
  }

  /** Adds a version, which encrypts from now on; ciphertexts of older versions still decrypt. */
  rotate({ project, key }: OneKey): Promise<KeyView> {
    return this.#caller.call("rotateKey", { params: { project, key } });
  }

  /** Enables a key again. Errors: `key-not-found`. */
  enable({ project, key }: OneKey): Promise<KeyView> {
    return this.#caller.call("enableKey", { params: { project, key } });
  }

  /** Disables a key: every use is refused with `key-disabled` until it is enabled again. */
  disable({ project, key }: OneKey): Promise<KeyView> {
    return this.#caller.call("disableKey", { params: { project, key } });
  }

  /**
   * Imports 32 bytes of material into a key of origin `imported`, as its first or its next version: asks for an import
   * token and wraps the material for its public key, here, with RSAES-OAEP (SHA-256). The bytes stay the caller's.
   * Errors: `key-origin-differs`, `key-material-refused` for another length.
   */
  async importMaterial({
    project,
    key,
    material,
  }: OneKey & { readonly material: Uint8Array }): Promise<KeyView> {
    const { token, publicKey } = await this.createImportToken({ project, key });
    const wrapped = await wrapForImport(publicKey, material);
    return await this.importWrapped({ project, key, token, algorithm: "RSAES_OAEP_SHA_256", wrapped });
  }

  /**
   * A public key (DER SubjectPublicKeyInfo, RSA-3072) to wrap material for elsewhere, in another HSM say: for this key, one
   * day and one import. A later token takes its place.
   */
  async createImportToken({ project, key }: OneKey): Promise<ImportToken> {
    const reply = await this.#caller.call("createImportToken", { params: { project, key } });
    return { ...reply, publicKey: fromBase64(reply.publicKey) };
  }

  /**
   * Imports material that was wrapped for a token. Errors: `import-token-refused`, `import-token-expired`,
   * `key-material-refused`; after the last the token is still good.
   */
  importWrapped({
    project,
    key,
    token,
    algorithm,
    wrapped,
  }: OneKey & {
    readonly token: string;
    readonly algorithm: ImportAlgorithmName;
    readonly wrapped: Uint8Array;
  }): Promise<KeyView> {
    const body = { token, algorithm, wrapped: toBase64(wrapped) };
    return this.#caller.call("importKey", { params: { project, key }, body });
  }

  /**
   * Schedules the destruction of a key in 7 to 30 days (default 30). Every use is refused with `key-pending-deletion` from
   * now on; what it encrypted is lost when `deletionAt` has come.
   */
  scheduleDeletion({
    project,
    key,
    days,
  }: OneKey & { readonly days?: number | undefined }): Promise<KeyView> {
    return this.#caller.call("scheduleKeyDeletion", { params: { project, key }, body: { days } });
  }

  /** Takes a scheduled deletion back. The key is disabled then. Errors: `key-not-pending-deletion`, `key-destroyed`. */
  cancelDeletion({ project, key }: OneKey): Promise<KeyView> {
    return this.#caller.call("cancelKeyDeletion", { params: { project, key } });
  }

  /** Encrypts at most 64 KiB. The ciphertext names its key and version. Errors: `key-disabled`, `body-too-large`. */
  async encrypt({
    project,
    key,
    plaintext,
    context,
  }: OneKey & WithContext & { readonly plaintext: Uint8Array }): Promise<Encrypted> {
    const body = { plaintext: toBase64(plaintext), context };
    const reply = await this.#caller.call("encrypt", { params: { project, key }, body });
    return { ...reply, ciphertext: fromBase64(reply.ciphertext) };
  }

  /**
   * Decrypts what `encrypt` or `generateDataKey` of the same project returned. Every reason not to (damaged, of another
   * project, another context) is the one error `ciphertext-refused`; a disabled key is `key-disabled`.
   */
  async decrypt({
    project,
    ciphertext,
    context,
  }: InProject & WithContext & { readonly ciphertext: Uint8Array }): Promise<Decrypted> {
    const body = { ciphertext: toBase64(ciphertext), context };
    const reply = await this.#caller.call("decrypt", { params: { project }, body });
    return { ...reply, plaintext: fromBase64(reply.plaintext) };
  }

  /**
   * Generates a data key of 16 to 64 bytes (default 32): in clear, for the caller to use and forget, and as a ciphertext
   * to keep beside the data, which `decrypt` opens with the same context.
   */
  async generateDataKey({
    project,
    key,
    lengthBytes,
    context,
  }: OneKey & WithContext & { readonly lengthBytes?: number | undefined }): Promise<DataKey> {
    const reply = await this.#caller.call("generateDataKey", {
      params: { project, key },
      body: { lengthBytes, context },
    });
    return { ...reply, plaintext: fromBase64(reply.plaintext), ciphertext: fromBase64(reply.ciphertext) };
  }

  /**
   * Signs at most 64 KiB with the current version of a key, by its usual algorithm or the one named. Errors:
   * `key-usage-differs`, `algorithm-refused`, `key-disabled`.
   */
  async sign({
    project,
    key,
    message,
    messageType,
    algorithm,
  }: OneKey &
    Message & {
      readonly algorithm?: SignatureAlgorithmName | undefined;
    }): Promise<Signed> {
    const body = { message: toBase64(message), messageType, algorithm };
    const reply = await this.#caller.call("sign", { params: { project, key }, body });
    return { ...reply, signature: fromBase64(reply.signature) };
  }

  /**
   * Says whether a signature is one of the message, by the current version of the key or the one named: after a rotation name
   * the version that `sign` returned. With the public key anybody can do that without the service.
   */
  verify({
    project,
    key,
    message,
    messageType,
    signature,
    algorithm,
    keyVersion,
  }: OneKey &
    Message & {
      readonly signature: Uint8Array;
      readonly algorithm?: SignatureAlgorithmName | undefined;
      readonly keyVersion?: number | undefined;
    }): Promise<Verified> {
    const bytes = { message: toBase64(message), signature: toBase64(signature) };
    const body = { ...bytes, messageType, algorithm, keyVersion };
    return this.#caller.call("verify", { params: { project, key }, body });
  }

  /** The public key of a key that signs, as PEM and JWK: of its current version or the one named. */
  exportPublic({
    project,
    key,
    version,
  }: OneKey & { readonly version?: number | undefined }): Promise<PublicKeyView> {
    return this.#caller.call("exportPublicKey", { params: { project, key }, query: { version } });
  }
}
