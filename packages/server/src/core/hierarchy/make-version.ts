import type { VouchedRows } from "../access/vouched-rows.ts";
import { isSigningSpec } from "../crypto/signature-algorithms.ts";
import type { KeyId } from "../ids.ts";
import type { KeySpec } from "./key-specs.ts";
import type { OpenedMaterials } from "./opened-materials.ts";
import type { KeyVersionRecord, ProjectRecord } from "./records.ts";

export interface MakeVersionPorts {
  readonly materials: OpenedMaterials;
  readonly vouchedRows: VouchedRows;
}

/** Has a unit make the material of a key version, and vouches for its row; nothing is kept yet. */
export async function makeVersion(
  ports: MakeVersionPorts,
  input: {
    readonly project: ProjectRecord;
    readonly keyId: KeyId;
    readonly spec: KeySpec;
    readonly version: number;
    readonly createdAtMs: number;
  },
): Promise<KeyVersionRecord> {
  const { project, keyId, spec, version, createdAtMs } = input;
  const { kekId, id: projectId } = project;
  const made = await ports.materials.withKek({ kekId, projectId }, async ({ unit, handle }) =>
    isSigningSpec(spec)
      ? await unit.signing.generateKeyPair(handle, spec)
      : { wrapped: await unit.materials.generate(handle), publicKey: undefined },
  );
  const { wrapped, publicKey } = made;
  return await ports.vouchedRows.vouchForVersion({
    keyId,
    projectId,
    version,
    kekId,
    wrapped,
    publicKey,
    createdAtMs,
  });
}
