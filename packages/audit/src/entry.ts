/**
 * What a record of the audit log says. Members that do not apply are left out. Nothing secret is among them: no token,
 * plaintext, key or wrapped blob, and of an encryption context the names only.
 */
export interface AuditEntry {
  /** The route of the API, or an event of the service itself, as `change.transition`. */
  readonly operation: string;
  /** `allowed`, `intended` before a command whose outcome follows, or the code of the failure. */
  readonly outcome: string;
  /** Id of the request, which its reply and the service's log carry too. */
  readonly request?: string | undefined;
  readonly principalId?: string | undefined;
  /** Name of the principal; `claviger` is the service itself. */
  readonly principal?: string | undefined;
  readonly project?: string | undefined;
  readonly key?: string | undefined;
  readonly version?: number | undefined;
  /** Names of the encryption context, never its values. */
  readonly context?: readonly string[] | undefined;
  readonly unit?: string | undefined;
  readonly register?: string | undefined;
  readonly change?: string | undefined;
  /** Verification pattern of a master key. */
  readonly vp?: string | undefined;
  /** Another thing that it was done to: a principal, by its id. */
  readonly subject?: string | undefined;
  /** What the request named, where that was not found or not looked for. */
  readonly asked?: string | undefined;
  readonly note?: string | undefined;
  /** The key that signs from now on, where the record introduces one. */
  readonly newKey?: KeyIntroduction | undefined;
  /** The head of the chain before this one on the node: in the first record of a chain. */
  readonly previous?: HeadRef | undefined;
}

/** A key that will sign the heads of the log, introduced by the key that signs them now. */
export interface KeyIntroduction {
  /** DER SubjectPublicKeyInfo of an Ed25519 key, in base64. */
  readonly publicKey: string;
  /** Fingerprint of the key that introduces it. */
  readonly by: string;
  /** Signature of `by` over "claviger audit key 1" ‖ the public key in DER, in base64. */
  readonly signature: string;
}

/** Names a record by its chain, its number and its hash. */
export interface HeadRef {
  /** `node/incarnation`, two UUIDs. */
  readonly chain: string;
  readonly seq: number;
  /** SHA-256, 64 hex digits. */
  readonly hash: string;
}

/** The part of a record's text behind number and time, which are known only when it enters the chain. */
export function entryText(entry: AuditEntry): string {
  // The order in which members are written. JSON.stringify leaves out those that are undefined.
  const { operation, outcome, request, principalId, principal, project, key, version, context } = entry;
  const { unit, register, change, vp, subject, asked, note, newKey, previous } = entry;
  const ordered: Required<{ [Member in keyof AuditEntry]: unknown }> = {
    operation,
    outcome,
    request,
    principalId,
    principal,
    project,
    key,
    version,
    context,
    unit,
    register,
    change,
    vp,
    subject,
    asked,
    note,
    newKey,
    previous,
  };
  return `,${JSON.stringify(ordered).slice(1)}`;
}

/** The whole text of a record: what is hashed, kept, exported and verified, byte for byte. `at` is RFC 3339 in UTC. */
export function recordText(seq: number, at: string, rest: string): string {
  return `{"seq":${seq},"at":"${at}"${rest}`;
}

/** A record as a reader gets it. */
export interface AuditRecord extends AuditEntry {
  readonly seq: number;
  readonly at: string;
}

/** What a record's text says. @throws SyntaxError for text that is none. */
export function parseRecord(text: string): AuditRecord {
  return JSON.parse(text) as AuditRecord;
}
