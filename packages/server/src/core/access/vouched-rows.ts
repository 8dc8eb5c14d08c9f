import { timingSafeEqual } from "../crypto/timing-safe-equal.ts";
import { Failure } from "../errors.ts";
import type { ChangeId } from "../ids.ts";
import type { Approval } from "../master-key-change/change.ts";
import type { ImportTokenRecord, KeyRecord, KeyVersionRecord } from "../hierarchy/records.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { Alarms } from "../ports/alarms.ts";
import type { FormerPrincipal } from "../ports/store.ts";
import type { PrincipalRecord, TokenRecord } from "./principal.ts";

type Unvouched<Row> = Omit<Row, "mac">;

/**
 * Vouches for rows of the database: a MAC over every member, under a key of the reserved project that is never outside
 * a crypto unit. What does not verify is not used, and is an alarm. Each kind of row has its own label, and members
 * enter with their length, so that no row can stand for another.
 */
export class VouchedRows {
  readonly #materials: OpenedMaterials;
  readonly #alarms: Alarms;
  readonly #macKey: KeyVersionRecord;

  constructor(ports: { materials: OpenedMaterials; alarms: Alarms; macKey: KeyVersionRecord }) {
    this.#materials = ports.materials;
    this.#alarms = ports.alarms;
    this.#macKey = ports.macKey;
  }

  async vouchForKey(row: Unvouched<KeyRecord>): Promise<KeyRecord> {
    return { ...row, mac: await this.#mac(keyMembers(row)) };
  }

  async vouchForVersion(row: Unvouched<KeyVersionRecord>): Promise<KeyVersionRecord> {
    return { ...row, mac: await this.#mac(versionMembers(row)) };
  }

  async vouchForImportToken(row: Unvouched<ImportTokenRecord>): Promise<ImportTokenRecord> {
    return { ...row, mac: await this.#mac(importTokenMembers(row)) };
  }

  async vouchForPrincipal(row: Unvouched<PrincipalRecord>): Promise<PrincipalRecord> {
    return { ...row, mac: await this.#mac(principalMembers(row)) };
  }

  async vouchForToken(row: Unvouched<TokenRecord>): Promise<TokenRecord> {
    return { ...row, mac: await this.#mac(tokenMembers(row)) };
  }

  async vouchForApproval(changeId: ChangeId, approval: Omit<Approval, "mac">): Promise<Approval> {
    const mac = await this.#mac(approvalMembers(changeId, approval));
    return { ...approval, mac: Buffer.from(mac).toString("hex") };
  }

  /** Each returns its row, or throws Failure `record-not-vouched`. */
  checkKey(row: KeyRecord): Promise<KeyRecord> {
    return this.#check(row, keyMembers(row), `key ${row.id}`, formerKeyMembers(row));
  }

  checkVersion(row: KeyVersionRecord): Promise<KeyVersionRecord> {
    const what = `key ${row.keyId}, version ${row.version}`;
    return this.#check(row, versionMembers(row), what, formerVersionMembers(row));
  }

  checkImportToken(row: ImportTokenRecord): Promise<ImportTokenRecord> {
    return this.#check(row, importTokenMembers(row), `import token of key ${row.keyId}`);
  }

  checkPrincipal(row: PrincipalRecord): Promise<PrincipalRecord> {
    return this.#check(row, principalMembers(row), `principal ${row.id}`);
  }

  checkToken(row: TokenRecord): Promise<TokenRecord> {
    return this.#check(row, tokenMembers(row), `token ${row.id}`);
  }

  /** Whether release 0.1.0 vouched for the row; if not, that is an alarm. */
  async isFormerPrincipal(row: FormerPrincipal): Promise<boolean> {
    return await this.#isVouched(row, formerPrincipalMembers(row), `principal ${row.id}`);
  }

  async checkApproval(changeId: ChangeId, approval: Approval): Promise<Approval> {
    const mac = Buffer.from(approval.mac, "hex");
    await this.#check({ mac }, approvalMembers(changeId, approval), `approval of change ${changeId}`);
    return approval;
  }

  async #check<Row extends { readonly mac: Uint8Array }>(
    row: Row,
    members: Members,
    what: string,
    former?: Members,
  ): Promise<Row> {
    if (former && timingSafeEqual(row.mac, await this.#mac(former))) return row;
    if (await this.#isVouched(row, members, what)) return row;
    throw new Failure("record-not-vouched", `${what} is not vouched for by its MAC`);
  }

  async #isVouched(row: { readonly mac: Uint8Array }, members: Members, what: string): Promise<boolean> {
    if (timingSafeEqual(row.mac, await this.#mac(members))) return true;
    this.#alarms.raise("record-not-vouched", what);
    return false;
  }

  #mac(members: Members): Promise<Uint8Array> {
    return this.#materials.withMaterial(this.#macKey, ({ unit, handle }) =>
      unit.materials.mac(handle, encode(members)),
    );
  }
}

type Members = readonly (string | number | Uint8Array)[];

function keyMembers(row: Unvouched<KeyRecord>): Members {
  const { id, projectId, name, spec, usage, state, currentVersion, createdAtMs, revision } = row;
  const { origin, deletionDueMs, destroyedAtMs } = row;
  return [
    "claviger row key 2",
    id,
    projectId,
    name,
    spec,
    usage,
    origin,
    state,
    currentVersion,
    createdAtMs,
    deletionDueMs ?? "",
    destroyedAtMs ?? "",
    revision,
  ];
}

/**
 * As release 0.1.0 vouched for keys; undefined for a key that it could not have written. Such a row is vouched for
 * anew when it next changes.
 */
function formerKeyMembers(row: Unvouched<KeyRecord>): Members | undefined {
  const { id, projectId, name, spec, usage, state, currentVersion, createdAtMs, revision } = row;
  if ((state !== "enabled" && state !== "disabled") || row.origin !== "generated") return undefined;
  if (row.deletionDueMs !== undefined || row.destroyedAtMs !== undefined) return undefined;
  const rest = [spec, usage, state, currentVersion, createdAtMs, revision];
  return ["claviger row key 1", id, projectId, name, ...rest];
}

function versionMembers(row: Unvouched<KeyVersionRecord>): Members {
  const { keyId, projectId, version, kekId, wrapped, publicKey, createdAtMs } = row;
  const material = [kekId, wrapped, publicKey ?? ""];
  return ["claviger row key-version 2", keyId, projectId, version, ...material, createdAtMs];
}

/** As release 0.1.0 vouched for versions, which had no public keys. They never change until they are destroyed. */
function formerVersionMembers(row: Unvouched<KeyVersionRecord>): Members | undefined {
  const { keyId, projectId, version, kekId, wrapped, createdAtMs } = row;
  if (row.publicKey !== undefined) return undefined;
  return ["claviger row key-version 1", keyId, projectId, version, kekId, wrapped, createdAtMs];
}

function importTokenMembers(row: Unvouched<ImportTokenRecord>): Members {
  const { id, keyId, projectId, kekId, publicKey, wrapped, expiresAtMs } = row;
  return ["claviger row import-token 1", id, keyId, projectId, kekId, publicKey, wrapped, expiresAtMs];
}

/**
 * Form 3 has identity and certificate. A principal without either is vouched for in form 2, which does not have them: so
 * rows of before need no new MAC, and a row that loses or gains one of them verifies in neither form.
 */
function principalMembers(row: Unvouched<PrincipalRecord>): Members {
  const { id, name, kind, state, grants, requestsPerSecond, identity, certificate } = row;
  const { createdAtMs, revision } = row;
  const granted = grants.flatMap(({ role, projectId }) => [role, projectId ?? ""]);
  const bound = identity !== undefined || certificate !== undefined;
  return [
    bound ? "claviger row principal 3" : "claviger row principal 2",
    id,
    name,
    kind,
    state,
    grants.length,
    ...granted,
    requestsPerSecond ?? "",
    createdAtMs,
    revision,
    ...(bound ? [identity?.issuer ?? "", identity?.subject ?? "", certificate ?? ""] : []),
  ];
}

function tokenMembers(row: Unvouched<TokenRecord>): Members {
  const { id, principalId, hash, label, createdAtMs, expiresAtMs, revokedAtMs } = row;
  const times = [createdAtMs, expiresAtMs ?? "", revokedAtMs ?? ""];
  return ["claviger row token 1", id, principalId, hash, label, ...times];
}

/** As release 0.1.0 vouched for principals. */
function formerPrincipalMembers(row: Omit<FormerPrincipal, "mac">): Members {
  const { id, name, roles, tokenHash, createdAtMs } = row;
  return ["claviger row principal 1", id, name, roles.length, ...roles, tokenHash, createdAtMs];
}

function approvalMembers(changeId: ChangeId, approval: Omit<Approval, "mac">): Members {
  const { action, inSpiteOf, requestedBy, requestedAtMs, approvedBy } = approval;
  const members = [changeId, action, requestedBy, requestedAtMs, approvedBy ? 1 : 0, approvedBy ?? ""];
  return inSpiteOf === undefined
    ? ["claviger row approval 1", ...members]
    : ["claviger row approval 2", ...members, inSpiteOf.length, ...inSpiteOf];
}

/** Each member as its length in 4 bytes, big endian, and its bytes; numbers in decimal. */
function encode(members: Members): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const member of members) {
    const bytes = member instanceof Uint8Array ? member : Buffer.from(String(member), "utf8");
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.byteLength);
    parts.push(length, bytes);
  }
  return Buffer.concat(parts);
}
