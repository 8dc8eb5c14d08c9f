import type { VouchedRows } from "../access/vouched-rows.ts";
import type { Clock } from "../clock.ts";
import { uuid } from "../crypto/random.ts";
import { Failure } from "../errors.ts";
import type { KeyId } from "../ids.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { KeyOrigin, KeyRecord, KeyVersionRecord, ProjectRecord } from "../hierarchy/records.ts";
import type { KeyStore } from "../ports/store.ts";

export interface CreateKeyPorts {
  readonly store: Pick<KeyStore, "createKey">;
  readonly materials: OpenedMaterials;
  readonly vouchedRows: VouchedRows;
  readonly clock: Clock;
}

/**
 * Creates an AES-256 key with its first version; or without one, `pending-import`, if its material is to be imported.
 * @throws Failure `key-exists`, `mutations-frozen`.
 */
export async function createKey(
  ports: CreateKeyPorts,
  input: { readonly project: ProjectRecord; readonly name: string; readonly origin?: KeyOrigin | undefined },
): Promise<KeyRecord> {
  const { project, name, origin = "generated" } = input;
  const createdAtMs = ports.clock.nowMs();
  const id = uuid() as KeyId;
  const version = origin === "generated" ? await firstVersion(ports, project, id, createdAtMs) : undefined;
  const key = await ports.vouchedRows.vouchForKey({
    id,
    projectId: project.id,
    name,
    spec: "AES_256",
    usage: "ENCRYPT_DECRYPT",
    origin,
    state: version ? "enabled" : "pending-import",
    currentVersion: version?.version ?? 0,
    createdAtMs,
    deletionDueMs: undefined,
    destroyedAtMs: undefined,
    revision: 1,
  });
  const outcome = await ports.store.createKey({ key, version });
  if (outcome === "name-taken") throw new Failure("key-exists", undefined, { field: "name" });
  if (outcome === "frozen") throw new Failure("mutations-frozen");
  return key;
}

async function firstVersion(
  ports: CreateKeyPorts,
  project: ProjectRecord,
  keyId: KeyId,
  createdAtMs: number,
): Promise<KeyVersionRecord> {
  const { kekId, id: projectId } = project;
  const wrapped = await ports.materials.withKek({ kekId, projectId }, ({ unit, handle }) =>
    unit.materials.generate(handle),
  );
  return await ports.vouchedRows.vouchForVersion({
    keyId,
    projectId,
    version: 1,
    kekId,
    wrapped,
    createdAtMs,
  });
}
