import type { Context, KeyView } from "@claviger/api";
import { fromBase64, toBase64 } from "./base64.ts";
import type { Caller, PageQuery } from "./caller.ts";
import { WHOLE_PAGE } from "./caller.ts";
import type { Page } from "./pages.ts";
import { eachItem } from "./pages.ts";

/** Name or id of the project. */
export interface InProject {
  readonly project: string;
}
/** Names of the project and of the key in it, or their ids. */
export interface OneKey extends InProject {
  readonly key: string;
}
/** Pairs that are authenticated with a ciphertext and not secret; decrypt needs the same pairs, in any order. */
export interface WithContext {
  readonly context?: Context | undefined;
}
/** Which version of which key was used. */
interface Used {
  readonly keyId: string;
  readonly keyVersion: number;
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

  /** Creates an AES-256 key with its first version. Errors: `project-not-found`, `key-exists`, `mutations-frozen`. */
  create({ project, name }: InProject & { readonly name: string }): Promise<KeyView> {
    return this.#caller.call("createKey", { params: { project }, body: { name } });
  }

  /** One page of the keys of a project. */
  list({ project, ...page }: InProject & PageQuery): Promise<Page<KeyView>> {
    return this.#caller.call("listKeys", { params: { project }, query: page });
  }

  /** Every key of a project. */
  all({ project }: InProject): AsyncGenerator<KeyView, void, undefined> {
    return eachItem((after) => this.list({ project, limit: WHOLE_PAGE, after }));
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
}
