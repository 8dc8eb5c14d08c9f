import type { VouchedRows } from "../access/vouched-rows.ts";
import type { Clock } from "../clock.ts";
import { Failure } from "../errors.ts";
import type { KeyDirectory } from "../hierarchy/key-directory.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { KeyRecord, ProjectRecord } from "../hierarchy/records.ts";
import type { KeyStore } from "../ports/store.ts";

/**
 * Adds a version, with which the key encrypts from now on; ciphertexts of older versions still decrypt.
 * @throws Failure `key-disabled`, `key-changed`, `mutations-frozen`.
 */
export async function rotateKey(
  ports: {
    readonly store: Pick<KeyStore, "updateKey">;
    readonly keys: KeyDirectory;
    readonly materials: OpenedMaterials;
    readonly vouchedRows: VouchedRows;
    readonly clock: Clock;
  },
  input: { readonly project: ProjectRecord; readonly key: KeyRecord },
): Promise<KeyRecord> {
  const { project, key } = input;
  if (key.state !== "enabled") throw new Failure("key-disabled");
  const { mac: _mac, ...members } = key;
  const wrapped = await ports.materials.withKek(
    { kekId: project.kekId, projectId: project.id },
    ({ unit, handle }) => unit.materials.generate(handle),
  );
  const version = await ports.vouchedRows.vouchForVersion({
    keyId: key.id,
    projectId: project.id,
    version: key.currentVersion + 1,
    kekId: project.kekId,
    wrapped,
    createdAtMs: ports.clock.nowMs(),
  });
  const rotated = await ports.vouchedRows.vouchForKey({
    ...members,
    currentVersion: version.version,
    revision: key.revision + 1,
  });
  const outcome = await ports.keys.changing(key.id, () => ports.store.updateKey({ key: rotated, version }));
  if (outcome === "frozen") throw new Failure("mutations-frozen");
  if (outcome === "changed-meanwhile") throw new Failure("key-changed");
  return rotated;
}
