import type { VouchedRows } from "../access/vouched-rows.ts";
import type { Clock } from "../clock.ts";
import { uuid } from "../crypto/random.ts";
import { Failure } from "../errors.ts";
import type { KeyId } from "../ids.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { KeyRecord, ProjectRecord } from "../hierarchy/records.ts";
import type { KeyStore } from "../ports/store.ts";

/**
 * Creates an AES-256 key with its first version.
 * @throws Failure `key-exists`, `mutations-frozen`.
 */
export async function createKey(
  ports: {
    readonly store: Pick<KeyStore, "createKey">;
    readonly materials: OpenedMaterials;
    readonly vouchedRows: VouchedRows;
    readonly clock: Clock;
  },
  input: { readonly project: ProjectRecord; readonly name: string },
): Promise<KeyRecord> {
  const { project } = input;
  const createdAtMs = ports.clock.nowMs();
  const id = uuid() as KeyId;
  const wrapped = await ports.materials.withKek(
    { kekId: project.kekId, projectId: project.id },
    ({ unit, handle }) => unit.materials.generate(handle),
  );
  const key = await ports.vouchedRows.vouchForKey({
    id,
    projectId: project.id,
    name: input.name,
    spec: "AES_256",
    usage: "ENCRYPT_DECRYPT",
    state: "enabled",
    currentVersion: 1,
    createdAtMs,
    deletionDueMs: undefined,
    destroyedAtMs: undefined,
    revision: 1,
  });
  const version = await ports.vouchedRows.vouchForVersion({
    keyId: id,
    projectId: project.id,
    version: 1,
    kekId: project.kekId,
    wrapped,
    createdAtMs,
  });
  const outcome = await ports.store.createKey({ key, version });
  if (outcome === "name-taken") throw new Failure("key-exists", undefined, { field: "name" });
  if (outcome === "frozen") throw new Failure("mutations-frozen");
  return key;
}
