import type { SecretBytes } from "../secret/secret-bytes.ts";
import type { GroupName, KekId, MasterKeyType, ProjectId, UnitAddress, Vp } from "../ids.ts";
import type { ImportAlgorithm } from "../crypto/import-wrap.ts";
import type { MessageType, SignatureAlgorithm, SigningSpec } from "../crypto/signature-algorithms.ts";
import type { Anchors } from "./anchors.ts";
import type { RegisterCommand, RegisterName, RegisterReading } from "./registers.ts";

/**
 * PORT: a crypto unit, an HSM partition or the embedded software equivalent. It holds master keys in registers and
 * does cryptography inside. Every adapter passes test/contracts/crypto-unit-contract.ts.
 *
 * Failure contract, for every method: a `Failure` from the table, and nothing half done.
 * `unit-unreachable` means that the unit gave no answer; whether a register command took effect is then found out by
 * reading the registers. Every method may be repeated.
 */
export interface CryptoUnit {
  readonly description: UnitDescription;
  readonly registers: RegisterFace;
  readonly keks: KekFace;
  readonly materials: MaterialFace;
  readonly signing: SigningFace;
  readonly anchors: AnchorFace;
  /** Wipes what is held and lets go of files and threads. Handles are dead afterwards. */
  close(): Promise<void>;
}

/** Differences between units are stated here, never sniffed. */
export interface UnitAbilities {
  readonly masterKeyTypes: readonly MasterKeyType[];
  /** NEW may be filled from OLD inside the unit. */
  readonly recallOld: boolean;
  /** Master keys may go to and come from another unit, wrapped for its public key. */
  readonly cloneMasterKeys: boolean;
  /** How payloads are sealed; see `PayloadSuite` in core/crypto. */
  readonly payloadSuite: 1;
  /** Has a place for anchors in its sealed state. */
  readonly keepsAnchors: boolean;
}

export interface UnitDescription {
  readonly address: UnitAddress;
  readonly group: GroupName;
  readonly adapter: "software";
  /** DER SubjectPublicKeyInfo: others wrap master keys for this unit with it (RSA-OAEP, SHA-256). */
  readonly publicKey: Uint8Array;
  readonly abilities: UnitAbilities;
}

/** For officers: master keys and their registers. A command acts on one unit, once. */
export interface RegisterFace {
  /** The registers as the unit has them now, one reading for each type it has. */
  read(): Promise<readonly RegisterReading[]>;
  /**
   * Does one command and returns the registers afterwards, durable.
   * @throws Failure `register-state`, `register-pattern-mismatch`, `unit-lacks-ability`.
   */
  execute(command: RegisterCommand): Promise<RegisterReading>;
  /** Pins the public key of another unit of the group: the only keys that `exportFor` wraps for. */
  pinPeer(peer: PeerKey): Promise<void>;
  /**
   * The master key of a register, wrapped for the pinned public key of `recipient`.
   * @throws Failure `unit-peer-not-pinned`, `register-state`, `register-pattern-mismatch`.
   */
  exportFor(recipient: UnitAddress, request: CloneRequest): Promise<Uint8Array>;
  /**
   * Fills an empty register with a master key that another unit exported for this one; NEW arrives uncommitted.
   * The pattern is computed again and must be the one that the request names.
   * @throws Failure `register-state`, `register-pattern-mismatch`, `ciphertext-refused`.
   */
  importFrom(sender: UnitAddress, request: CloneRequest, wrapped: Uint8Array): Promise<RegisterReading>;
}

export interface PeerKey {
  readonly address: UnitAddress;
  readonly publicKey: Uint8Array;
}

export interface CloneRequest {
  readonly type: MasterKeyType;
  readonly register: RegisterName;
  readonly vp: Vp;
}

/** What a wrapped KEK is bound to by its MAC: a row that is moved elsewhere is refused. */
export interface KekBinding {
  readonly group: GroupName;
  readonly type: MasterKeyType;
  readonly projectId: ProjectId;
  readonly kekId: KekId;
}

/** A KEK under one master key: format version, AES-KWP blob, HMAC (docs/wrapped-key-format.md). */
export interface WrappedKek {
  readonly vp: Vp;
  readonly blob: Uint8Array;
}

/** A KEK row as the unit needs it: identity, check value (16 bytes) and one wrapped form. */
export interface KekToOpen extends KekBinding {
  readonly kcv: Uint8Array;
  readonly wrapped: WrappedKek;
}

/** An opened KEK: a handle inside the unit, never bytes. It only wraps and unwraps key material. */
export interface KekHandle extends Disposable {
  readonly unit: UnitAddress;
}

/** Why one row of a batch was not done. */
export type KekRefusal =
  "format-unknown" | "pattern-not-held" | "mac-mismatch" | "unwrap-failed" | "check-value-mismatch";

export interface KekBatch {
  readonly group: GroupName;
  readonly type: MasterKeyType;
  readonly rows: readonly KekBatchRow[];
}

export interface KekBatchRow {
  readonly projectId: ProjectId;
  readonly kekId: KekId;
  readonly kcv: Uint8Array;
  readonly blob: Uint8Array;
}

export type ReencipheredRow = { readonly blob: Uint8Array } | { readonly refused: KekRefusal };
export type OpenedRow = "opened" | { readonly refused: KekRefusal };

/** For the service: project KEKs. */
export interface KekFace {
  /**
   * Makes a KEK and wraps it under each of `vps`, which any register may hold, opening every blob again before it returns.
   * @throws Failure `register-pattern-mismatch` when no register holds one of them, `register-state` when it is a NEW
   * that is not committed.
   */
  create(
    binding: KekBinding,
    vps: readonly Vp[],
  ): Promise<{ readonly kcv: Uint8Array; readonly wrapped: readonly WrappedKek[] }>;
  /**
   * Opens a wrapped KEK by CURRENT or OLD; NEW is never used for it. MAC, unwrapping and check value must all agree.
   * @throws Failure `register-pattern-mismatch` when neither register holds its pattern, `kek-not-opened` when it does not open.
   */
  open(kek: KekToOpen): Promise<KekHandle>;
  /**
   * Moves a batch from master key `from` (in CURRENT or OLD) to `to` (in NEW or CURRENT): each row is opened, wrapped,
   * and the new blob opened and its check value compared before it is returned. Rows are answered one by one, in order.
   * @throws Failure `register-pattern-mismatch` when the registers do not hold `from` and `to`, `register-state` when
   * `to` is a NEW that is not committed.
   */
  reencipher(batch: KekBatch, from: Vp, to: Vp): Promise<readonly ReencipheredRow[]>;
  /**
   * Opens a batch under `vp`, which `among` says where to look for, and closes it again: the proof that every row opens.
   * @throws Failure `register-pattern-mismatch` when none of those registers holds `vp`.
   */
  verify(batch: KekBatch, vp: Vp, among: readonly RegisterName[]): Promise<readonly OpenedRow[]>;
}

/** Opened key material of a key version: a handle inside the unit, never bytes. */
export interface MaterialHandle extends Disposable {
  readonly unit: UnitAddress;
}

/** A payload as sealed by a unit: which suite, 16 bytes of nonce, ciphertext with the 16-byte tag behind it. */
export interface SealedPayload {
  readonly suite: number;
  readonly nonce: Uint8Array;
  readonly sealed: Uint8Array;
}

/** Material on its way in. */
export interface WrappedForImport {
  /** The private key that it was wrapped for, as `createImportKey` returned it. */
  readonly importKey: Uint8Array;
  readonly algorithm: ImportAlgorithm;
  readonly wrapped: Uint8Array;
}

/** For the service: key material under an opened KEK, and its use. */
export interface MaterialFace {
  /** New 256-bit key material, wrapped under the KEK (RFC 5649). */
  generate(kek: KekHandle): Promise<Uint8Array>;
  /** A new RSA key pair for one import: DER SubjectPublicKeyInfo, and the private key under the KEK. */
  createImportKey(kek: KekHandle): Promise<{ readonly publicKey: Uint8Array; readonly wrapped: Uint8Array }>;
  /**
   * 256-bit key material that somebody wrapped for an import key, wrapped under the KEK: it is in clear inside this one
   * call and nowhere else.
   * @throws Failure `key-material-refused`, whatever it is that does not fit, its length included; `record-not-vouched`
   * when the import key does not unwrap under this KEK.
   */
  importMaterial(kek: KekHandle, material: WrappedForImport): Promise<Uint8Array>;
  /** @throws Failure `record-not-vouched` when it does not unwrap under this KEK. */
  open(kek: KekHandle, wrapped: Uint8Array): Promise<MaterialHandle>;
  /** Seals with a key of its own for each message; `aad` is authenticated, not sealed. */
  encrypt(material: MaterialHandle, plaintext: Uint8Array, aad: Uint8Array): Promise<SealedPayload>;
  /** @throws Failure `ciphertext-refused`, whatever it is that does not fit. */
  decrypt(material: MaterialHandle, payload: SealedPayload, aad: Uint8Array): Promise<SecretBytes>;
  /** HMAC-SHA-256, 32 bytes, under a key that is derived from the material for this one use. */
  mac(material: MaterialHandle, data: Uint8Array): Promise<Uint8Array>;
  /** Random bytes of the unit's generator. */
  random(lengthBytes: number): Promise<SecretBytes>;
}

/** An opened signing key: a handle inside the unit, never bytes. */
export interface SigningHandle extends Disposable {
  readonly unit: UnitAddress;
}

/** For the service: private keys under an opened KEK, and their use. Verifying needs no unit: it is done in core/crypto. */
export interface SigningFace {
  /** A new key pair: DER SubjectPublicKeyInfo, and the private key (PKCS#8 in DER) wrapped under the KEK (RFC 5649). */
  generateKeyPair(
    kek: KekHandle,
    spec: SigningSpec,
  ): Promise<{ readonly publicKey: Uint8Array; readonly wrapped: Uint8Array }>;
  /** @throws Failure `record-not-vouched` when it does not unwrap under this KEK, or is no key of this spec. */
  open(kek: KekHandle, spec: SigningSpec, wrapped: Uint8Array): Promise<SigningHandle>;
  /**
   * The signature in the form that the algorithm's row in core/crypto/signature-algorithms.ts names.
   * @throws Failure `algorithm-refused` for one that is not of the key's spec, or cannot sign this type of message.
   */
  sign(
    key: SigningHandle,
    algorithm: SignatureAlgorithm,
    message: Uint8Array,
    type?: MessageType,
  ): Promise<Uint8Array>;
}

/** For the service: what the unit has seen of the service's data, in its sealed state. One keeper at a time. */
export interface AnchorFace {
  /**
   * What was kept last; undefined in a unit that has never kept any.
   * @throws Failure `unit-file-tampered` when it has kept some, and they are gone or not what it kept; `unit-lacks-ability`.
   */
  read(): Promise<Anchors | undefined>;
  /**
   * Keeps these in the place of what was kept before; durable when it resolves. After a failure it is either.
   * @throws Failure `store-full`, `store-read-only`, `unit-lacks-ability`; `invalid-request` when they are too large.
   */
  keep(anchors: Anchors): Promise<void>;
}
