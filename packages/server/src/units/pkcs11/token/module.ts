import { createRequire } from "node:module";
import type pkcs11js from "pkcs11js";
import { Failure } from "../../../core/errors.ts";
import { CKA, CKF, CKM, CKU_USER } from "./cryptoki.ts";
import type { ReturnCodeRule } from "./return-codes.ts";
import { ALREADY, ruleOf } from "./return-codes.ts";

/*
 * A vendor's PKCS#11 module, with the few calls that Claviger makes. Synchronous, in a process of its own: C_Initialize
 * is process-wide, and a module that hangs or crashes takes its process along. Only synchronous calls of the binding: its
 * others leak, and its callbacks read memory that is gone.
 */

export type SlotId = Buffer;
export type Session = Buffer;
/** An object of a session or token, valid as long as it is there. */
export type ObjectHandle = Buffer;
export type Mechanism = number | pkcs11js.Mechanism;
export type AttributeValue = boolean | number | string | Uint8Array;
/** Attributes by their numbers (CKA). */
export type Template = readonly { readonly type: number; readonly value: AttributeValue }[];

/** A call that returned something else than CKR_OK. */
export class TokenError extends Error {
  readonly code: number;
  readonly rule: ReturnCodeRule;
  /** Name of the function. */
  readonly call: string;

  constructor(call: string, code: number) {
    const rule = ruleOf(code);
    super(`${call} returned ${rule.name}`);
    this.name = "TokenError";
    this.call = call;
    this.code = code;
    this.rule = rule;
  }
}

export interface TokenInfo {
  readonly slot: SlotId;
  readonly label: string;
  readonly serial: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly firmware: string;
  readonly flags: number;
  /** YYYYMMDDhhmmss00 where the flags say that there is a clock (PKCS#11 v3.1, §3.2). */
  readonly utcTime: string;
}

export interface ModuleOptions {
  readonly path: string;
  /** What NSS wants to be initialised with. */
  readonly libraryParameters?: string | undefined;
  /** It need not lock against other threads of this process: there is none that calls it. */
  readonly isOfOneThread?: boolean | undefined;
}

/** Attributes by their names. */
export type Attributes = { readonly [Name in keyof typeof CKA]?: AttributeValue };

/** Attributes as a template; those that are undefined are left out. */
export function template(attributes: Attributes): Template {
  return Object.entries(attributes).map(([name, value]) => ({
    type: CKA[name as keyof typeof CKA],
    value,
  }));
}

export class Pkcs11Module {
  readonly #native: pkcs11js.PKCS11;
  readonly #options: ModuleOptions;

  /**
   * Loads the module; `initialise` comes next.
   * @throws Failure `unit-unreachable` when the binding is not installed or the file is no PKCS#11 module.
   */
  constructor(options: ModuleOptions) {
    this.#options = options;
    this.#native = newBinding();
    try {
      this.#native.load(options.path);
    } catch (error) {
      throw new Failure("unit-unreachable", `${options.path} cannot be loaded as a PKCS#11 module`, {
        cause: error,
      });
    }
  }

  initialise(): void {
    const { libraryParameters, isOfOneThread = false } = this.#options;
    const flags = isOfOneThread ? 0 : CKF.OS_LOCKING_OK;
    // The binding loses the last character of the parameters.
    const nss = { libraryParameters: `${libraryParameters} `, flags };
    try {
      this.#call("C_Initialize", () =>
        this.#native.C_Initialize(libraryParameters === undefined ? { flags } : nss),
      );
    } catch (error) {
      if (!isCode(error, ALREADY.INITIALIZED)) throw error;
    }
  }

  /** Ends every session of this process. */
  finalise(): void {
    this.#call("C_Finalize", () => this.#native.C_Finalize());
  }

  /** Name and version of the library. */
  library(): string {
    const { libraryDescription, libraryVersion } = this.#call("C_GetInfo", () => this.#native.C_GetInfo());
    return `${libraryDescription.trim()} ${libraryVersion.major}.${libraryVersion.minor}`;
  }

  /** The tokens that are there, initialised ones. */
  tokens(): readonly TokenInfo[] {
    const slots = this.#call("C_GetSlotList", () => this.#native.C_GetSlotList(true));
    return slots
      .map((slot) => this.tokenInfo(slot))
      .filter(({ flags }) => (flags & CKF.TOKEN_INITIALIZED) !== 0);
  }

  tokenInfo(slot: SlotId): TokenInfo {
    const info = this.#call("C_GetTokenInfo", () => this.#native.C_GetTokenInfo(slot));
    const { major, minor } = info.firmwareVersion;
    return {
      slot,
      label: info.label.trimEnd(),
      serial: info.serialNumber.trim(),
      manufacturer: info.manufacturerID.trim(),
      model: info.model.trim(),
      firmware: `${major}.${minor}`,
      flags: info.flags,
      utcTime: info.utcTime,
    };
  }

  mechanisms(slot: SlotId): readonly number[] {
    return this.#call("C_GetMechanismList", () => this.#native.C_GetMechanismList(slot));
  }

  openSession(slot: SlotId): Session {
    return this.#call("C_OpenSession", () =>
      this.#native.C_OpenSession(slot, CKF.RW_SESSION | CKF.SERIAL_SESSION),
    );
  }

  closeSession(session: Session): void {
    this.#call("C_CloseSession", () => this.#native.C_CloseSession(session));
  }

  /** Whether the token still knows the session. */
  isAlive(session: Session): boolean {
    try {
      this.#call("C_GetSessionInfo", () => this.#native.C_GetSessionInfo(session));
      return true;
    } catch (error) {
      if (error instanceof TokenError) return false;
      throw error;
    }
  }

  /** The binding takes a PIN as a string only, which cannot be wiped: a reason why a unit host is a process of its own. */
  login(session: Session, pin: Uint8Array): void {
    try {
      this.#call("C_Login", () => this.#native.C_Login(session, CKU_USER, Buffer.from(pin).toString("utf8")));
    } catch (error) {
      if (!isCode(error, ALREADY.LOGGED_IN)) throw error;
    }
  }

  /** All that fit, `limit` at most: a token may tell of them in several parts. */
  find(session: Session, attributes: Template, limit: number): readonly ObjectHandle[] {
    this.#call("C_FindObjectsInit", () => this.#native.C_FindObjectsInit(session, mutable(attributes)));
    const found: ObjectHandle[] = [];
    try {
      while (found.length < limit) {
        const more = this.#call("C_FindObjects", () =>
          this.#native.C_FindObjects(session, limit - found.length),
        );
        if (more.length === 0) break;
        found.push(...more);
      }
      return found;
    } finally {
      this.#call("C_FindObjectsFinal", () => this.#native.C_FindObjectsFinal(session));
    }
  }

  createObject(session: Session, attributes: Template): ObjectHandle {
    return this.#call("C_CreateObject", () => this.#native.C_CreateObject(session, mutable(attributes)));
  }

  copyObject(session: Session, object: ObjectHandle, attributes: Template): ObjectHandle {
    return this.#call("C_CopyObject", () => this.#native.C_CopyObject(session, object, mutable(attributes)));
  }

  destroyObject(session: Session, object: ObjectHandle): void {
    this.#call("C_DestroyObject", () => this.#native.C_DestroyObject(session, object));
  }

  setAttributes(session: Session, object: ObjectHandle, attributes: Template): void {
    this.#call("C_SetAttributeValue", () =>
      this.#native.C_SetAttributeValue(session, object, mutable(attributes)),
    );
  }

  /** One value as the token keeps it: numbers are native and of 8 bytes, a boolean is one byte. */
  attribute(session: Session, object: ObjectHandle, type: number): Buffer {
    const [found] = this.#call("C_GetAttributeValue", () =>
      this.#native.C_GetAttributeValue(session, object, [{ type }]),
    );
    return Buffer.isBuffer(found?.value) ? found.value : Buffer.alloc(0);
  }

  isSet(session: Session, object: ObjectHandle, type: number): boolean {
    return this.attribute(session, object, type)[0] === 1;
  }

  /** A number below 2^32. */
  numberOf(session: Session, object: ObjectHandle, type: number): number {
    return this.attribute(session, object, type).readUInt32LE();
  }

  generateKey(session: Session, mechanism: Mechanism, attributes: Template): ObjectHandle {
    return this.#call("C_GenerateKey", () =>
      this.#native.C_GenerateKey(session, asMechanism(mechanism), mutable(attributes)),
    );
  }

  generateKeyPair(
    session: Session,
    mechanism: Mechanism,
    publicKey: Template,
    privateKey: Template,
  ): { readonly publicKey: ObjectHandle; readonly privateKey: ObjectHandle } {
    return this.#call("C_GenerateKeyPair", () =>
      this.#native.C_GenerateKeyPair(
        session,
        asMechanism(mechanism),
        mutable(publicKey),
        mutable(privateKey),
      ),
    );
  }

  /** The blob, of at most `limitBytes`. */
  wrap(
    session: Session,
    mechanism: Mechanism,
    wrappingKey: ObjectHandle,
    key: ObjectHandle,
    limitBytes: number,
  ): Buffer {
    return this.#call("C_WrapKey", () =>
      this.#native.C_WrapKey(
        session,
        asMechanism(mechanism),
        wrappingKey,
        key,
        Buffer.allocUnsafe(limitBytes),
      ),
    );
  }

  unwrap(
    session: Session,
    mechanism: Mechanism,
    unwrappingKey: ObjectHandle,
    blob: Uint8Array,
    attributes: Template,
  ): ObjectHandle {
    return this.#call("C_UnwrapKey", () =>
      this.#native.C_UnwrapKey(
        session,
        asMechanism(mechanism),
        unwrappingKey,
        asBuffer(blob),
        mutable(attributes),
      ),
    );
  }

  derive(session: Session, mechanism: Mechanism, key: ObjectHandle, attributes: Template): ObjectHandle {
    return this.#call("C_DeriveKey", () =>
      this.#native.C_DeriveKey(session, asMechanism(mechanism), key, mutable(attributes)),
    );
  }

  /** The result, of at most `more` bytes beyond the data. */
  encrypt(session: Session, mechanism: Mechanism, key: ObjectHandle, data: Uint8Array, more = 0): Buffer {
    this.#call("C_EncryptInit", () => this.#native.C_EncryptInit(session, asMechanism(mechanism), key));
    return this.#call("C_Encrypt", () =>
      this.#native.C_Encrypt(session, asBuffer(data), Buffer.allocUnsafeSlow(data.byteLength + more)),
    );
  }

  decrypt(session: Session, mechanism: Mechanism, key: ObjectHandle, data: Uint8Array): Buffer {
    this.#call("C_DecryptInit", () => this.#native.C_DecryptInit(session, asMechanism(mechanism), key));
    return this.#call("C_Decrypt", () =>
      this.#native.C_Decrypt(session, asBuffer(data), Buffer.allocUnsafeSlow(data.byteLength)),
    );
  }

  /** The signature or MAC, of at most `limitBytes`. */
  sign(
    session: Session,
    mechanism: Mechanism,
    key: ObjectHandle,
    data: Uint8Array,
    limitBytes: number,
  ): Buffer {
    this.#call("C_SignInit", () => this.#native.C_SignInit(session, asMechanism(mechanism), key));
    return this.#call("C_Sign", () =>
      this.#native.C_Sign(session, asBuffer(data), Buffer.allocUnsafe(limitBytes)),
    );
  }

  /** SHA-256 over bytes, then the values of keys, in that order: 32 bytes. */
  digest(session: Session, bytes: Uint8Array, keys: readonly ObjectHandle[]): Buffer {
    this.#call("C_DigestInit", () => this.#native.C_DigestInit(session, { mechanism: CKM.SHA256 }));
    this.#call("C_DigestUpdate", () => this.#native.C_DigestUpdate(session, asBuffer(bytes)));
    for (const key of keys) this.#call("C_DigestKey", () => this.#native.C_DigestKey(session, key));
    return this.#call("C_DigestFinal", () => this.#native.C_DigestFinal(session, Buffer.allocUnsafe(32)));
  }

  random(session: Session, lengthBytes: number): Buffer {
    return this.#call("C_GenerateRandom", () =>
      this.#native.C_GenerateRandom(session, Buffer.alloc(lengthBytes)),
    );
  }

  #call<Result>(name: string, run: () => Result): Result {
    try {
      return run();
    } catch (error) {
      const code = codeOf(error);
      if (code === undefined) throw error;
      throw new TokenError(name, code);
    }
  }
}

/** Some calls of the binding throw an error with a `code`, others a plain one whose message ends with it. */
function codeOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const code: unknown = Reflect.get(error, "code");
  if (typeof code === "number" && code !== 0) return code;
  const digits = /^CKR_\w+:(\d+)/.exec(error.message)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function isCode(error: unknown, code: number): boolean {
  return error instanceof TokenError && error.code === code;
}

/** The binding is optional, and loaded by whoever needs it. */
function newBinding(): pkcs11js.PKCS11 {
  try {
    const { PKCS11 } = createRequire(import.meta.url)("pkcs11js") as typeof pkcs11js;
    return new PKCS11();
  } catch (error) {
    throw new Failure(
      "unit-unreachable",
      "pkcs11js is not installed: it is compiled with gcc, g++, make and python3",
      {
        cause: error,
      },
    );
  }
}

function asMechanism(mechanism: Mechanism): pkcs11js.Mechanism {
  return typeof mechanism === "number" ? { mechanism } : mechanism;
}

/** Bytes as the binding takes them, not a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  if (bytes.byteLength === 0) return NO_BYTES;
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Nothing, at an address. That of an empty buffer is null: SoftHSM takes it for an argument that is missing, and leaves the
 * operation begun.
 */
const NO_BYTES = Buffer.alloc(1).subarray(1);

/** The binding declares templates as its own to change, and changes nothing. */
function mutable(attributes: Template): pkcs11js.Template {
  return attributes as pkcs11js.Template;
}
