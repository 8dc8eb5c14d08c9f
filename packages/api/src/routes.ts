import { Type, type Static, type TSchema } from "typebox";
import {
  Address,
  BackupName,
  Ciphertext,
  Context,
  Fingerprint,
  IMPORT_ALGORITHMS,
  KEY_ORIGINS,
  KEY_SPECS,
  MasterKeyTypeName,
  Message,
  Name,
  NameOrId,
  Nullable,
  Plaintext,
  ROLES,
  RegisterName,
  SIGNATURE_ALGORITHMS,
  Signature,
  TOKEN_SECONDS_LIMIT,
  Timestamp,
  TypedPattern,
  Uuid,
  WrappedMaterial,
  oneOf,
} from "./words.ts";
import {
  AuditArchiveBody,
  AuditArchiveView,
  AuditExportQuery,
  AuditExportView,
  AuditKeyView,
  AuditQuery,
  AuditRecordView,
  AuditVerificationView,
} from "./audit.ts";
import {
  BackupView,
  CensusView,
  ChangeView,
  ImportTokenView,
  KeyView,
  PlanView,
  PrincipalView,
  ProjectView,
  PublicKeyView,
  RegistersView,
  RollbackView,
  StatusView,
  TokenView,
  UnitView,
} from "./views.ts";

/**
 * The routes of the native API, one row each: server, SDK and OpenAPI document are made from this table. Paths name
 * parameters with a colon; a body, query or parameter that is not listed is refused.
 */
interface RouteRow {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly summary: string;
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly body?: TSchema;
  readonly reply: TSchema;
}

const closed = { additionalProperties: false } as const;
const inGroup = { group: Type.Optional(Name), type: Type.Optional(MasterKeyTypeName) };

const ProjectPath = Type.Object({ project: NameOrId }, closed);
const KeyPath = Type.Object({ project: NameOrId, key: NameOrId }, closed);
const UnitPath = Type.Object({ unit: Address }, closed);
const BackupPath = Type.Object({ backup: BackupName }, closed);
const ChangePath = Type.Object({ change: Uuid }, closed);
const PrincipalPath = Type.Object({ principal: NameOrId }, closed);
const Grant = Type.Object(
  {
    role: oneOf(ROLES),
    project: Type.Optional(NameOrId),
  },
  closed,
);
const RequestsPerSecond = Type.Integer({ minimum: 1, maximum: 1_000_000 });
const ExpiresInSeconds = Type.Integer({
  minimum: 1,
  maximum: TOKEN_SECONDS_LIMIT,
  description: "default: it does not expire",
});
const GroupQuery = Type.Object(inGroup, closed);
const page = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: "default 100" })),
  after: Type.Optional(Type.String({ maxLength: 64, description: "`next` of the page before" })),
};
const Page = Type.Object(page, closed);
const pageOf = <S extends TSchema>(items: S) =>
  Type.Object({ items: Type.Array(items), next: Nullable(Type.String()) });

const Algorithm = oneOf(SIGNATURE_ALGORITHMS, { description: "default: the usual one of the key" });
const MessageType = oneOf(["RAW", "DIGEST"], {
  description: "default: RAW; DIGEST is for RSA: the message is its digest by the algorithm's hash",
});
const KeyVersion = Type.Integer({
  minimum: 1,
  maximum: 0xffff_ffff,
  description: "default: the current one",
});
/** The configuration of the daemon says which modules and PIN files a request may name. */
const TokenToAttach = Type.Object(
  {
    uri: Type.String({
      pattern: "^pkcs11:[!-~]+$",
      maxLength: 4096,
      description:
        "RFC 7512: token, serial or slot-id, with module-path and pin-source, which are paths on the daemon's machine; never with pin-value",
    }),
    clonable: Type.Optional(
      Type.Boolean({
        description:
          "default: false; a clonable master key can leave the token wrapped for another unit's pinned key; one that is not can never be copied, so its group has only this unit, and its loss is the loss of every key unless the HSM has its own backup",
      }),
    ),
  },
  closed,
);
const Encrypted = Type.Object({ ciphertext: Ciphertext, keyId: Uuid, keyVersion: Type.Integer() });
const UnitRegisters = Type.Object({
  units: Type.Array(Type.Object({ address: Address, registers: RegistersView })),
});

export const ROUTES = {
  getStatus: {
    method: "GET",
    path: "/v1/status",
    summary: "State of the service and its master keys",
    reply: StatusView,
  },
  getCensus: {
    method: "GET",
    path: "/v1/census",
    summary: "Wrapped project KEKs per verification pattern: the proof of a change",
    query: GroupQuery,
    reply: CensusView,
  },

  createProject: {
    method: "POST",
    path: "/v1/projects",
    summary: "Create a project and its KEK",
    body: Type.Object({ name: Name }, closed),
    reply: ProjectView,
  },
  listProjects: {
    method: "GET",
    path: "/v1/projects",
    summary: "List projects",
    query: Page,
    reply: pageOf(ProjectView),
  },

  createKey: {
    method: "POST",
    path: "/v1/projects/:project/keys",
    summary: "Create a key with its first version, or without one for material that is to be imported",
    params: ProjectPath,
    body: Type.Object(
      {
        name: Name,
        spec: Type.Optional(oneOf(KEY_SPECS, { description: "default: AES_256; the others sign" })),
        origin: Type.Optional(oneOf(KEY_ORIGINS, { description: "default: generated" })),
      },
      closed,
    ),
    reply: KeyView,
  },
  listKeys: {
    method: "GET",
    path: "/v1/projects/:project/keys",
    summary: "List the keys of a project",
    params: ProjectPath,
    query: Type.Object(
      {
        ...page,
        include: Type.Optional(oneOf(["destroyed"], { description: "default: keys that are there" })),
      },
      closed,
    ),
    reply: pageOf(KeyView),
  },
  getKey: {
    method: "GET",
    path: "/v1/projects/:project/keys/:key",
    summary: "Show a key",
    params: KeyPath,
    reply: KeyView,
  },
  rotateKey: {
    method: "POST",
    path: "/v1/projects/:project/keys/:key/rotate",
    summary: "Add a key version and encrypt with it from now on; ciphertexts of older versions still decrypt",
    params: KeyPath,
    reply: KeyView,
  },
  enableKey: {
    method: "POST",
    path: "/v1/projects/:project/keys/:key/enable",
    summary: "Enable a key",
    params: KeyPath,
    reply: KeyView,
  },
  disableKey: {
    method: "POST",
    path: "/v1/projects/:project/keys/:key/disable",
    summary: "Disable a key: every use of it is refused until it is enabled again",
    params: KeyPath,
    reply: KeyView,
  },
  createImportToken: {
    method: "POST",
    path: "/v1/projects/:project/keys/:key/import-token",
    summary:
      "Ask for a public key to wrap material for: for this key, one day, one import; replaces an earlier one",
    params: KeyPath,
    reply: ImportTokenView,
  },
  importKey: {
    method: "POST",
    path: "/v1/projects/:project/keys/:key/import",
    summary: "Add a key version with 32 bytes of material, wrapped for an import token",
    params: KeyPath,
    body: Type.Object({ token: Uuid, algorithm: oneOf(IMPORT_ALGORITHMS), wrapped: WrappedMaterial }, closed),
    reply: KeyView,
  },
  scheduleKeyDeletion: {
    method: "POST",
    path: "/v1/projects/:project/keys/:key/schedule-deletion",
    summary: "Refuse every use of a key from now on, and destroy it when the waiting time is over",
    params: KeyPath,
    body: Type.Object(
      { days: Type.Optional(Type.Integer({ minimum: 7, maximum: 30, description: "default 30" })) },
      closed,
    ),
    reply: KeyView,
  },
  cancelKeyDeletion: {
    method: "POST",
    path: "/v1/projects/:project/keys/:key/cancel-deletion",
    summary: "Take a scheduled deletion back; the key is disabled then",
    params: KeyPath,
    reply: KeyView,
  },

  encrypt: {
    method: "POST",
    path: "/v1/projects/:project/keys/:key/encrypt",
    summary: "Encrypt up to 64 KiB under the current version of a key",
    params: KeyPath,
    body: Type.Object({ plaintext: Plaintext, context: Type.Optional(Context) }, closed),
    reply: Encrypted,
  },
  decrypt: {
    method: "POST",
    path: "/v1/projects/:project/decrypt",
    summary: "Decrypt; the ciphertext names its key and version",
    params: ProjectPath,
    body: Type.Object({ ciphertext: Ciphertext, context: Type.Optional(Context) }, closed),
    reply: Type.Object({ plaintext: Plaintext, keyId: Uuid, keyVersion: Type.Integer() }),
  },
  generateDataKey: {
    method: "POST",
    path: "/v1/projects/:project/keys/:key/data-key",
    summary: "Generate a data key: in clear for the caller to use, and wrapped for the caller to keep",
    params: KeyPath,
    body: Type.Object(
      {
        lengthBytes: Type.Optional(Type.Integer({ minimum: 16, maximum: 64, description: "default 32" })),
        context: Type.Optional(Context),
      },
      closed,
    ),
    reply: Type.Object({
      plaintext: Plaintext,
      ciphertext: Ciphertext,
      keyId: Uuid,
      keyVersion: Type.Integer(),
    }),
  },

  sign: {
    method: "POST",
    path: "/v1/projects/:project/keys/:key/sign",
    summary: "Sign up to 64 KiB with the current version of a key",
    params: KeyPath,
    body: Type.Object(
      { message: Message, messageType: Type.Optional(MessageType), algorithm: Type.Optional(Algorithm) },
      closed,
    ),
    reply: Type.Object({
      signature: Signature,
      algorithm: oneOf(SIGNATURE_ALGORITHMS),
      keyId: Uuid,
      keyVersion: Type.Integer(),
    }),
  },
  verify: {
    method: "POST",
    path: "/v1/projects/:project/keys/:key/verify",
    summary:
      "Say whether a signature is one of the message, by the current version of a key or the one named",
    params: KeyPath,
    body: Type.Object(
      {
        message: Message,
        messageType: Type.Optional(MessageType),
        signature: Signature,
        algorithm: Type.Optional(Algorithm),
        keyVersion: Type.Optional(KeyVersion),
      },
      closed,
    ),
    reply: Type.Object({
      valid: Type.Boolean(),
      algorithm: oneOf(SIGNATURE_ALGORITHMS),
      keyId: Uuid,
      keyVersion: Type.Integer(),
    }),
  },
  exportPublicKey: {
    method: "GET",
    path: "/v1/projects/:project/keys/:key/public-key",
    summary: "The public key of a key that signs, as PEM and as JWK",
    params: KeyPath,
    query: Type.Object({ version: Type.Optional(KeyVersion) }, closed),
    reply: PublicKeyView,
  },

  listUnits: {
    method: "GET",
    path: "/v1/units",
    summary: "Crypto units with their registers",
    reply: Type.Object({ items: Type.Array(UnitView) }),
  },
  getUnit: {
    method: "GET",
    path: "/v1/units/:unit",
    summary: "Show a crypto unit",
    params: UnitPath,
    reply: UnitView,
  },
  addUnit: {
    method: "POST",
    path: "/v1/units",
    summary: "Create a software unit or attach a token, pin it, and copy the group's master keys into it",
    body: Type.Object(
      { address: Type.Optional(Address), group: Type.Optional(Name), pkcs11: Type.Optional(TokenToAttach) },
      closed,
    ),
    reply: UnitView,
  },
  removeUnit: {
    method: "DELETE",
    path: "/v1/units/:unit",
    summary: "Take a crypto unit out of its group; refused for the last one that serves",
    params: UnitPath,
    reply: UnitView,
  },
  quarantineUnit: {
    method: "POST",
    path: "/v1/units/:unit/quarantine",
    summary: "Stop using a unit until it is readmitted",
    params: UnitPath,
    // PostgreSQL has no text with a NUL in it.
    body: Type.Object(
      { reason: Type.String({ minLength: 1, maxLength: 200, pattern: "^[^\\u0000]+$" }) },
      closed,
    ),
    reply: UnitView,
  },
  readmitUnit: {
    method: "POST",
    path: "/v1/units/:unit/readmit",
    summary: "Let a unit serve again, once its registers are those of its group",
    params: UnitPath,
    reply: UnitView,
  },

  generateMasterKey: {
    method: "POST",
    path: "/v1/master-keys/generate",
    summary: "Fill NEW of one unit with a random master key",
    body: Type.Object({ ...inGroup, unit: Type.Optional(Address) }, closed),
    reply: UnitRegisters,
  },
  copyMasterKey: {
    method: "POST",
    path: "/v1/master-keys/copy",
    summary: "Copy a register of one unit to other units of the group, wrapped for their pinned keys",
    body: Type.Object(
      {
        ...inGroup,
        register: Type.Optional(RegisterName),
        from: Type.Optional(Address),
        to: Type.Optional(Type.Array(Address, { minItems: 1, maxItems: 64 })),
      },
      closed,
    ),
    reply: UnitRegisters,
  },
  commitMasterKey: {
    method: "POST",
    path: "/v1/master-keys/commit",
    summary: "Commit NEW on every unit of the group (or one) that holds this pattern",
    body: Type.Object({ ...inGroup, vp: TypedPattern, unit: Type.Optional(Address) }, closed),
    reply: UnitRegisters,
  },
  clearNewMasterKey: {
    method: "POST",
    path: "/v1/master-keys/clear-new",
    summary: "Clear NEW on every unit of the group (or one) that holds this pattern",
    body: Type.Object({ ...inGroup, vp: TypedPattern, unit: Type.Optional(Address) }, closed),
    reply: UnitRegisters,
  },

  planChange: {
    method: "GET",
    path: "/v1/changes/plan",
    summary: "Dry run: open a sample, count rows, name every obstacle; changes nothing",
    query: GroupQuery,
    reply: PlanView,
  },
  createChange: {
    method: "POST",
    path: "/v1/changes",
    summary: "Open a master-key change",
    body: Type.Object(
      {
        ...inGroup,
        expectedVp: Type.Optional(TypedPattern),
        freeze: Type.Optional(oneOf(["none", "mutations"])),
        rowsPerSecond: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
      },
      closed,
    ),
    reply: ChangeView,
  },
  listChanges: {
    method: "GET",
    path: "/v1/changes",
    summary: "List changes, the newest first",
    query: Page,
    reply: pageOf(ChangeView),
  },
  getChange: {
    method: "GET",
    path: "/v1/changes/:change",
    summary: "Show a change",
    params: ChangePath,
    reply: ChangeView,
  },
  reencipherChange: verb("reencipher", "Start to re-encipher every KEK under the target"),
  pauseChange: verb("pause", "Pause at the end of the batch"),
  resumeChange: verb("resume", "Go on; rows that failed are tried again"),
  activateChange: {
    method: "POST",
    path: "/v1/changes/:change/activate",
    summary: "Make NEW the CURRENT master key, unit by unit: the point of no return",
    params: ChangePath,
    body: Type.Object(
      {
        vp: TypedPattern,
        override: Type.Optional(
          Type.Boolean({
            description: "pass the overridable obstacles; needs a second principal's approval",
          }),
        ),
      },
      closed,
    ),
    reply: ChangeView,
  },
  finalizeChange: verb(
    "finalize",
    "Move every KEK's form under the target into use, once all of them opened",
  ),
  cancelChange: verb("cancel", "Take everything back; possible until the first unit has activated"),
  restoreChange: verb("restore", "Open a change back to the master key of before, filled from OLD"),
  approveChange: verb("approve", "Approve what another principal asked for: purge, or override"),
  purgeChange: verb(
    "purge",
    "Delete the forms under the old master key and clear OLD; needs a second principal's approval",
  ),

  createPrincipal: {
    method: "POST",
    path: "/v1/principals",
    summary: "Create a principal; its token is shown once",
    body: Type.Object(
      {
        name: Name,
        kind: Type.Optional(oneOf(["person", "service"], { description: "default service" })),
        grants: Type.Array(Grant, { minItems: 1, maxItems: 100 }),
        requestsPerSecond: Type.Optional(RequestsPerSecond),
        expiresInSeconds: Type.Optional(ExpiresInSeconds),
      },
      closed,
    ),
    reply: Type.Object({ principal: PrincipalView, tokenId: Uuid, token: Type.String() }),
  },
  listPrincipals: {
    method: "GET",
    path: "/v1/principals",
    summary: "List principals",
    query: Page,
    reply: pageOf(PrincipalView),
  },
  getPrincipal: {
    method: "GET",
    path: "/v1/principals/:principal",
    summary: "Show a principal",
    params: PrincipalPath,
    reply: PrincipalView,
  },
  whoAmI: {
    method: "GET",
    path: "/v1/whoami",
    summary: "Who calls: the principal of the token or the client certificate",
    reply: PrincipalView,
  },
  enablePrincipal: {
    method: "POST",
    path: "/v1/principals/:principal/enable",
    summary: "Let a principal call again",
    params: PrincipalPath,
    reply: PrincipalView,
  },
  disablePrincipal: {
    method: "POST",
    path: "/v1/principals/:principal/disable",
    summary: "Refuse every request of a principal, at once",
    params: PrincipalPath,
    reply: PrincipalView,
  },
  grantRole: {
    method: "POST",
    path: "/v1/principals/:principal/grant",
    summary: "Give a principal a role, for one project or the whole service",
    params: PrincipalPath,
    body: Grant,
    reply: PrincipalView,
  },
  withdrawRole: {
    method: "POST",
    path: "/v1/principals/:principal/withdraw",
    summary: "Take a role from a principal, at once",
    params: PrincipalPath,
    body: Grant,
    reply: PrincipalView,
  },
  limitPrincipal: {
    method: "POST",
    path: "/v1/principals/:principal/limit",
    summary:
      "Limit the requests of a principal; without a number it has the limit of the configuration again",
    params: PrincipalPath,
    body: Type.Object({ requestsPerSecond: Type.Optional(RequestsPerSecond) }, closed),
    reply: PrincipalView,
  },
  linkIdentity: {
    method: "POST",
    path: "/v1/principals/:principal/identity",
    summary: "Link a person to what it signs in as, in the place of what was linked before",
    params: PrincipalPath,
    body: Type.Object(
      {
        issuer: Type.String({ pattern: "^https?://[!-~]{1,500}$", description: "as ID tokens name it" }),
        subject: Type.String({
          pattern: "^[ -~]{1,255}$",
          description: "as ID tokens name it: at most 255 characters of ASCII",
        }),
      },
      closed,
    ),
    reply: PrincipalView,
  },
  unlinkIdentity: {
    method: "DELETE",
    path: "/v1/principals/:principal/identity",
    summary: "Take from a person what it signs in as; its tokens go on until they end or are revoked",
    params: PrincipalPath,
    reply: PrincipalView,
  },
  bindCertificate: {
    method: "POST",
    path: "/v1/principals/:principal/certificate",
    summary:
      "Bind a principal to a client certificate: it proves the principal, whose tokens are good for nothing without it",
    params: PrincipalPath,
    body: Type.Object({ fingerprint: Fingerprint }, closed),
    reply: PrincipalView,
  },
  unbindCertificate: {
    method: "DELETE",
    path: "/v1/principals/:principal/certificate",
    summary: "Free a principal of its client certificate: from then on its tokens alone prove it",
    params: PrincipalPath,
    reply: PrincipalView,
  },

  beginSignIn: {
    method: "POST",
    path: "/v1/sign-in/begin",
    summary: "Begin to sign in: the issuer, and a nonce for its ID token; without a token",
    reply: Type.Object({
      issuer: Type.String(),
      clientId: Type.String(),
      nonce: Type.String(),
      expiresAt: Timestamp,
    }),
  },
  signIn: {
    method: "POST",
    path: "/v1/sign-in",
    summary: "Sign in with an ID token of the issuer, for a token that ends soon; without a token",
    body: Type.Object(
      {
        idToken: Type.String({
          pattern: "^[A-Za-z0-9_.-]{1,16384}$",
          description: "ID token of the issuer (a JWT), with the nonce of `beginSignIn`",
        }),
      },
      closed,
    ),
    reply: Type.Object({ principal: PrincipalView, record: TokenView, token: Type.String() }),
  },

  createToken: {
    method: "POST",
    path: "/v1/principals/:principal/tokens",
    summary:
      "Give a principal another token; one that it makes for itself ends with the token it called with",
    params: PrincipalPath,
    body: Type.Object(
      {
        label: Type.Optional(Type.String({ pattern: "^[ -~]{1,64}$", description: "what it is for" })),
        expiresInSeconds: Type.Optional(ExpiresInSeconds),
      },
      closed,
    ),
    reply: Type.Object({ record: TokenView, token: Type.String() }),
  },
  listTokens: {
    method: "GET",
    path: "/v1/principals/:principal/tokens",
    summary: "List the tokens of a principal, without what is secret in them",
    params: PrincipalPath,
    reply: Type.Object({ items: Type.Array(TokenView) }),
  },
  revokeToken: {
    method: "POST",
    path: "/v1/principals/:principal/tokens/:token/revoke",
    summary: "Revoke a token, at once and for ever",
    params: Type.Object({ principal: NameOrId, token: Uuid }, closed),
    reply: TokenView,
  },

  listAudit: {
    method: "GET",
    path: "/v1/audit",
    summary: "Records of the audit log; a page may be shorter than its limit and yet have a next one",
    query: AuditQuery,
    reply: pageOf(AuditRecordView),
  },
  verifyAudit: {
    method: "GET",
    path: "/v1/audit/verify",
    summary: "Verify the whole audit log: hashes, chains, signatures, and the head that the service knows",
    reply: AuditVerificationView,
  },
  exportAudit: {
    method: "GET",
    path: "/v1/audit/export",
    summary: "Export the audit log page by page, to be verified without the service",
    query: AuditExportQuery,
    reply: AuditExportView,
  },
  listAuditKeys: {
    method: "GET",
    path: "/v1/audit/keys",
    summary: "Public keys that have ever signed the audit log",
    reply: Type.Object({ items: Type.Array(AuditKeyView) }),
  },
  rotateAuditKey: {
    method: "POST",
    path: "/v1/audit/rotate-key",
    summary: "Have the audit log signed by a new key, which the key before introduces in the log",
    reply: AuditKeyView,
  },
  archiveAudit: {
    method: "POST",
    path: "/v1/audit/archive",
    summary: "Move records up to a signed head into a file of the archive, once it is verified",
    body: AuditArchiveBody,
    reply: AuditArchiveView,
  },

  createBackup: {
    method: "POST",
    path: "/v1/backups",
    summary: "Begin a backup of the database as it is now; it is written beside everything else",
    reply: BackupView,
  },
  listBackups: {
    method: "GET",
    path: "/v1/backups",
    summary: "List the backups in the folder of backups, the oldest first",
    reply: Type.Object({ items: Type.Array(BackupView) }),
  },
  getBackup: {
    method: "GET",
    path: "/v1/backups/:backup",
    summary: "Show a backup, and how far it is",
    params: BackupPath,
    reply: BackupView,
  },
  readBackup: {
    method: "GET",
    path: "/v1/backups/:backup/content",
    summary: "Read a piece of a backup, which is encrypted, to keep it elsewhere: at most 1 MiB",
    params: BackupPath,
    query: Type.Object(
      { offset: Type.Optional(Type.Integer({ minimum: 0, description: "default 0" })) },
      closed,
    ),
    reply: Type.Object({
      sizeBytes: Type.Integer({ description: "of the whole backup" }),
      bytes: Type.String({ description: "the piece in base64; empty at the end" }),
    }),
  },
  acceptRollback: {
    method: "POST",
    path: "/v1/store/accept-rollback",
    summary:
      "Accept that the database is of an earlier moment, as after a restore: it is read-only until then",
    reply: Type.Object({ accepted: Type.Array(RollbackView) }),
  },
} as const satisfies Record<string, RouteRow>;

function verb<const V extends string>(name: V, summary: string) {
  return {
    method: "POST",
    path: `/v1/changes/:change/${name}`,
    summary,
    params: ChangePath,
    reply: ChangeView,
  } as const;
}

export type Routes = typeof ROUTES;
export type RouteName = keyof Routes;
/** Routes that are called to become someone; all others need a caller who is. */
export type OpenRouteName = "beginSignIn" | "signIn";
export type GuardedRouteName = Exclude<RouteName, OpenRouteName>;

type Part<Row, Name extends string> = Row extends { readonly [N in Name]: infer S extends TSchema }
  ? Static<S>
  : undefined;

/** What a call of the route takes: the parts that it has, and no others. */
export type RouteInput<R extends RouteName> = {
  [P in "params" | "query" | "body" as Part<Routes[R], P> extends undefined ? never : P]: Part<Routes[R], P>;
};
export type RouteReply<R extends RouteName> = Static<Routes[R]["reply"]>;
