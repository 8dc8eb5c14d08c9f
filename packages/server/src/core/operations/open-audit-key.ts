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
import type { AuditKeyRecord, AuditStore } from "../ports/audit-log.ts";
import type { KeyStore, ProjectStore } from "../ports/store.ts";
import { createKey } from "./create-key.ts";

/** What the sealed payload is for, bound by its AAD. */
const PURPOSE = "audit-signing-key";

interface AuditKeyPorts {
  readonly store: Pick<ProjectStore, "findProject"> &
    Pick<KeyStore, "findKey" | "createKey" | "readKeyVersion"> &
    Pick<AuditStore, "listAuditKeys" | "addAuditKey">;
  readonly materials: OpenedMaterials;
  readonly vouchedRows: VouchedRows;
  readonly clock: Clock;
}

/**
 * The key that signs the heads of the audit log, made at first use: its private half is sealed under a key of the
 * reserved project, and each key that ever signed is kept. One whose private half does not open, or is not that of its
 * public half, is not used.
 * @throws Failure `record-not-vouched`, `no-serving-unit`.
 */
export async function openAuditKey(ports: AuditKeyPorts): Promise<SigningKey> {
  const sealing = await sealingKey(ports);
  const newest = (await ports.store.listAuditKeys({})).at(-1);
  if (newest) return await open(ports, sealing, newest);
  using pkcs8 = newSigningKey();
  const key = signingKeyOf(pkcs8);
  const sealed = await sealingSigningKey(pkcs8, (bytes) => seal(ports, sealing, bytes));
  const { fingerprint, publicKey } = key;
  await ports.store.addAuditKey({
    key: { fingerprint, publicKey, sealed, createdAtMs: ports.clock.nowMs() },
  });
  return key;
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
