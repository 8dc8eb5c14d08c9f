import type { Clock } from "../clock.ts";
import { Failure } from "../errors.ts";
import type { ChangeKeyPorts } from "../hierarchy/change-key.ts";
import { changeKey } from "../hierarchy/change-key.ts";
import { requireKeyState } from "../hierarchy/key-states.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { KeyRecord, ProjectRecord } from "../hierarchy/records.ts";

/**
 * Adds a version, with which the key encrypts from now on; ciphertexts of older versions still decrypt.
 * @throws Failure of a key that is not enabled (key-states.ts), `key-origin-differs` for a key whose material is imported,
 * `key-changed`, `mutations-frozen`.
 */
export async function rotateKey(
  ports: ChangeKeyPorts & { readonly materials: OpenedMaterials; readonly clock: Clock },
  input: { readonly project: ProjectRecord; readonly key: KeyRecord },
): Promise<KeyRecord> {
  const { project, key } = input;
  requireKeyState(key, "rotate");
  if (key.origin !== "generated") throw new Failure("key-origin-differs", "the key's material is imported");
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
  return await changeKey(ports, key, { currentVersion: version.version }, version);
}
