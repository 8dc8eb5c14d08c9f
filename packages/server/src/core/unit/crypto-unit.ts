import type { SecretBytes } from "../secret/secret-bytes.ts";
import type { GroupName, KekId, MasterKeyType, ProjectId, UnitAddress, Vp } from "../ids.ts";
import type { ImportAlgorithm } from "../crypto/import-wrap.ts";
import type { PayloadSuiteNumber } from "../crypto/payload-suite.ts";
import type { MessageType, SignatureAlgorithm, SigningSpec } from "../crypto/signature-algorithms.ts";
import type { Anchors } from "./anchors.ts";
import type { RegisterCommand, RegisterName, RegisterReading } from "./registers.ts";

/**
 * PORT: a crypto unit, an HSM partition or the embedded software equivalent. It holds master keys in registers and
 * does cryptography inside. Every adapter passes the contracts in test/contracts.
 *
 * Failure contract, for every method: a `Failure` from the table, and nothing half done.
 * `unit-unreachable` means that the unit gave no answer; whether a register command took effect is then found out by
 * reading the registers. Every method may be repeated. What the unit lacks, by its abilities, is `unit-lacks-ability`,
 * before anything else is looked at. A handle that was disposed, or is another unit's, is `internal`: a defect of the caller.
 */
export interface CryptoUnit {
  readonly description: UnitDescription;
  readonly registers: RegisterFace;
  readonly keks: KekFace;
  readonly materials: MaterialFace;
  readonly signing: SigningFace;
  readonly anchors: AnchorFace;
  /**
   * Wipes what is held and lets go of files, threads and processes. Handles are dead afterwards, and every method is
   * `unit-unreachable`. May be repeated.
   */
  close(): Promise<void>;
}

/** Differences between units are stated here, never sniffed. */
export interface UnitAbilities {
  readonly masterKeyTypes: readonly MasterKeyType[];
  /** NEW may be filled from OLD inside the unit. */
  readonly recallOld: boolean;
  /** How master keys may go to and come from another unit, wrapped for its public key, best first. None: they cannot. */
  readonly cloneForms: readonly CloneForm[];
  /** What it seals payloads with; see `PayloadSuite` in core/crypto. It opens those of every suite. */
  readonly payloadSuite: PayloadSuiteNumber;
  /** The keys that it makes and signs with, by each algorithm of theirs. */
  readonly signingSpecs: readonly SigningSpec[];
  /** The wrappings by which material comes in. Where it has none, it makes no import keys either. */
  readonly importAlgorithms: readonly ImportAlgorithm[];
  /** Has a place for anchors in its sealed state. */
  readonly keepsAnchors: boolean;
}

export type UnitAdapter = "software" | "pkcs11";

export interface UnitDescription {
  readonly address: UnitAddress;
  readonly group: GroupName;
  readonly adapter: UnitAdapter;
  /** DER SubjectPublicKeyInfo, RSA: who the unit is, and where it clones, what others wrap master keys for it with. */
  readonly publicKey: Uint8Array;
  readonly abilities: UnitAbilities;
  /** The token that it is, if it is one. */
  readonly token?: TokenDescription;
}

export interface TokenDescription {
  readonly label: string;
  readonly serial: string;
  /** Whether the master keys that it makes may be copied to other units. */
  readonly isClonable: boolean;
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
  /**
   * Pins the public key of another unit of the group: the only keys that `exportFor` wraps for. A later one replaces it.
   * @throws Failure `invalid-request` for what is no public key, and for the unit's own address; `unit-lacks-ability`.
   */
  pinPeer(peer: PeerKey): Promise<void>;
  /**
   * The master key of a register, wrapped for the pinned public key of `recipient`.
   * @throws Failure `unit-peer-not-pinned`, `register-state`, `register-pattern-mismatch`, `unit-lacks-ability`.
   */
  exportFor(recipient: UnitAddress, request: CloneRequest): Promise<Uint8Array>;
  /**
   * Fills an empty register with a master key that another unit exported for this one; NEW arrives uncommitted. One that
   * holds it already stays as it is. The pattern is computed again and must be the one that the request names.
   * @throws Failure `ciphertext-refused` when it was exported by another unit, for another unit or for another request, or
   * was changed; `register-state` when the register holds another; `unit-lacks-ability`.
   */
  importFrom(sender: UnitAddress, request: CloneRequest, wrapped: Uint8Array): Promise<RegisterReading>;
}

export interface PeerKey {
  readonly address: UnitAddress;
  readonly publicKey: Uint8Array;
}

/**
 * The forms of docs/wrapped-key-format.md §10. Form 1 is RSA-OAEP of both keys together, and software units have it; form 2
 * is what tokens can do, OAEP of one key at a time, with SHA-256 or, where a token has no other, SHA-1.
 */
export type CloneForm = "1" | "2-sha256" | "2-sha1";

export interface CloneRequest {
  readonly type: MasterKeyType;
  readonly register: RegisterName;
  readonly vp: Vp;
  readonly form: CloneForm;
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

/**
 * Why one row of a batch was not done (docs/wrapped-key-format.md §3), the first that applies: the blob is no blob of 73
 * bytes in the format; its pattern is in no register that serves; the MAC does not fit, because anything that it binds was
 * changed, or is nothing that it could bind; what is inside does not unwrap; or is another KEK. A check value of another
 * length than 16 bytes is a mismatch too.
 */
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

/** A payload as sealed by a unit: which suite, as much nonce as that asks for, ciphertext with the 16-byte tag behind it. */
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
  /**
   * A new RSA key pair for one import: DER SubjectPublicKeyInfo, and the private key under the KEK.
   * @throws Failure `unit-lacks-ability` of a unit that has no import algorithm.
   */
  createImportKey(kek: KekHandle): Promise<{ readonly publicKey: Uint8Array; readonly wrapped: Uint8Array }>;
  /**
   * 256-bit key material that somebody wrapped for an import key, wrapped under the KEK: it is in clear inside this one
   * call and nowhere else.
   * @throws Failure `key-material-refused`, whatever it is that does not fit, its length included; `record-not-vouched`
   * when the import key does not unwrap under this KEK; `unit-lacks-ability`.
   */
  importMaterial(kek: KekHandle, material: WrappedForImport): Promise<Uint8Array>;
  /** @throws Failure `record-not-vouched` when it does not unwrap under this KEK, or is no material of 32 bytes. */
  open(kek: KekHandle, wrapped: Uint8Array): Promise<MaterialHandle>;
  /** Seals with the unit's suite, a key of its own for each message; `aad` is authenticated, not sealed. */
  encrypt(material: MaterialHandle, plaintext: Uint8Array, aad: Uint8Array): Promise<SealedPayload>;
  /** Opens a payload of any suite. @throws Failure `ciphertext-refused`, whatever it is that does not fit. */
  decrypt(material: MaterialHandle, payload: SealedPayload, aad: Uint8Array): Promise<SecretBytes>;
  /** HMAC-SHA-256, 32 bytes, under a key that is derived from the material for this one use. */
  mac(material: MaterialHandle, data: Uint8Array): Promise<Uint8Array>;
  /** Random bytes of the unit's generator, 1 to 65,536 of them. @throws Failure `invalid-request`. */
  random(lengthBytes: number): Promise<SecretBytes>;
}

/** An opened signing key: a handle inside the unit, never bytes. */
export interface SigningHandle extends Disposable {
  readonly unit: UnitAddress;
}

/** For the service: private keys under an opened KEK, and their use. Verifying needs no unit: it is done in core/crypto. */
export interface SigningFace {
  /**
   * A new key pair: DER SubjectPublicKeyInfo, and the private key (PKCS#8 in DER) wrapped under the KEK (RFC 5649).
   * @throws Failure `unit-lacks-ability` for a spec that the unit lacks.
   */
  generateKeyPair(
    kek: KekHandle,
    spec: SigningSpec,
  ): Promise<{ readonly publicKey: Uint8Array; readonly wrapped: Uint8Array }>;
  /**
   * Opens what any unit of the group made, for this spec.
   * @throws Failure `record-not-vouched` when it does not unwrap under this KEK, or is no key of this spec;
   * `unit-lacks-ability` for a spec that the unit lacks.
   */
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
