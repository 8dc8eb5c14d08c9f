import type { VouchedRows } from "../access/vouched-rows.ts";
import type { Clock } from "../clock.ts";
import { encodeCiphertext, parseCiphertext } from "../crypto/ciphertext.ts";
import { encodeContext } from "../crypto/encryption-context.ts";
import { payloadAad } from "../crypto/payload-aad.ts";
import { isPayloadSuite } from "../crypto/payload-suite.ts";
import { newSigningKey, sealingSigningKey, signingKeyOf } from "../crypto/signing-key.ts";
import type { SigningKey } from "../crypto/signing-key.ts";
import { Failure, isFailure } from "../errors.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { KeyRecord, KeyVersionRecord } from "../hierarchy/records.ts";
import { AUDIT_KEY_NAME, RESERVED_PROJECT_ID } from "../hierarchy/reserved-project.ts";
import type { Alarms } from "../ports/alarms.ts";
import type { AuditKeyRecord, AuditStore } from "../ports/audit-log.ts";
import type { KeyStore, ProjectStore } from "../ports/store.ts";
import { createKey } from "./create-key.ts";

/** What the sealed payload is for, bound by its AAD. */
const PURPOSE = "audit-signing-key";

export interface AuditKeyPorts {
  readonly store: Pick<ProjectStore, "findProject"> &
    Pick<KeyStore, "findKey" | "createKey" | "readKeyVersion"> &
    Pick<AuditStore, "listAuditKeys" | "addAuditKey">;
  readonly materials: OpenedMaterials;
  readonly vouchedRows: VouchedRows;
  readonly alarms: Alarms;
  readonly clock: Clock;
}

/** A key that signs the audit log, opened, with its row. */
export interface OpenedAuditKey {
  readonly record: AuditKeyRecord;
  readonly key: SigningKey;
}

/**
 * The keys that have ever signed the audit log, the oldest first; their private halves are sealed under a key of the
 * reserved project. A row whose private half does not open, or is not that of its public half, was put there by somebody
 * else: it raises an alarm and is left out, so that nothing it signs counts.
 * @throws Failure `record-not-vouched` when that is the newest, `no-serving-unit`.
 */
export async function openAuditKeys(ports: AuditKeyPorts): Promise<readonly OpenedAuditKey[]> {
  const records = await ports.store.listAuditKeys({});
  if (records.length === 0) return [];
  const sealing = await sealingKey(ports);
  const opened: OpenedAuditKey[] = [];
  for (const record of records) {
    try {
      opened.push({ record, key: await open(ports, sealing, record) });
    } catch (error) {
      if (!isFailure(error, "record-not-vouched") || record === records.at(-1)) throw error;
      ports.alarms.raise("record-not-vouched", error.message);
    }
  }
  return opened;
}

/**
 * Makes a key, introduced by the one that signs so far, where there is one that can: its row and the record that introduces
 * it are one transaction, so that neither is there without the other.
 */
export async function makeAuditKey(
  ports: AuditKeyPorts,
  introducer: SigningKey | undefined,
): Promise<OpenedAuditKey> {
  using pkcs8 = newSigningKey();
  const key = signingKeyOf(pkcs8);
  const sealing = await sealingKey(ports);
  const sealed = await sealingSigningKey(pkcs8, (bytes) => seal(ports, sealing, bytes));
  const { fingerprint, publicKey } = key;
  const record = { fingerprint, publicKey, sealed, createdAtMs: ports.clock.nowMs() };
  const introduction = introducer && {
    publicKey: Buffer.from(publicKey).toString("base64"),
    by: introducer.fingerprint,
    signature: Buffer.from(introducer.introduce(publicKey)).toString("base64"),
  };
  await ports.store.addAuditKey({ key: record, introduction });
  return { record, key };
}

async function sealingKey(ports: AuditKeyPorts): Promise<KeyVersionRecord> {
  const { store, vouchedRows } = ports;
  const found = await store.findKey({ projectId: RESERVED_PROJECT_ID, ref: AUDIT_KEY_NAME });
  const key: KeyRecord = found ? await vouchedRows.checkKey(found) : await makeSealingKey(ports);
  const version = await store.readKeyVersion({ keyId: key.id, version: key.currentVersion });
  if (!version) throw new Failure("store-damaged", "the reserved project has no key for the audit log");
  return await vouchedRows.checkVersion(version);
}

async function makeSealingKey(ports: AuditKeyPorts): Promise<KeyRecord> {
  const project = await ports.store.findProject({ ref: RESERVED_PROJECT_ID });
  if (!project) throw new Failure("store-damaged", "there is no reserved project");
  return await createKey(ports, { project, name: AUDIT_KEY_NAME });
}

function aadOf({ projectId, keyId, version }: KeyVersionRecord): Uint8Array {
  return payloadAad({
    projectId,
    keyId,
    keyVersion: version,
    purpose: PURPOSE,
    context: encodeContext({}),
  });
}

async function seal(ports: AuditKeyPorts, key: KeyVersionRecord, bytes: Uint8Array): Promise<Uint8Array> {
  const { suite, nonce, sealed } = await ports.materials.withMaterial(key, ({ unit, handle }) =>
    unit.materials.encrypt(handle, bytes, aadOf(key)),
  );
  if (!isPayloadSuite(suite)) throw new Failure("internal", "a unit sealed with an unknown suite");
  return encodeCiphertext({ keyId: key.keyId, keyVersion: key.version, suite, nonce, sealed });
}

async function open(
  ports: AuditKeyPorts,
  sealing: KeyVersionRecord,
  record: AuditKeyRecord,
): Promise<SigningKey> {
  const refused = (cause?: unknown): Failure =>
    new Failure("record-not-vouched", `the audit key ${record.fingerprint} is not what its row says`, {
      cause,
    });
  const payload = parseCiphertext(record.sealed);
  if (payload.keyId !== sealing.keyId || payload.keyVersion !== sealing.version) throw refused();
  try {
    using pkcs8 = await ports.materials.withMaterial(sealing, ({ unit, handle }) =>
      unit.materials.decrypt(handle, payload, aadOf(sealing)),
    );
    const key = signingKeyOf(pkcs8);
    if (key.fingerprint !== record.fingerprint) throw refused();
    return key;
  } catch (error) {
    if (isFailure(error, "ciphertext-refused")) throw refused(error);
    throw error;
  }
}
