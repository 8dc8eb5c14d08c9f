import type { VouchedRows } from "../access/vouched-rows.ts";
import type { Clock } from "../clock.ts";
import { uuid } from "../crypto/random.ts";
import { Failure } from "../errors.ts";
import { requireKeyState } from "../hierarchy/key-states.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { ImportTokenRecord, KeyRecord, ProjectRecord } from "../hierarchy/records.ts";
import type { ImportTokenId } from "../ids.ts";
import type { KeyImportStore } from "../ports/store.ts";

const LIFETIME_MS = 24 * 60 * 60 * 1000;

/**
 * Makes an import token: a public key for which the caller wraps material, for this key alone, for one day and one import.
 * It takes the place of an earlier one of the same key. Its private half is made inside a unit and leaves it wrapped by
 * the KEK of the project, so that any unit that opens the key later opens it too.
 * @throws Failure of a key that cannot be imported into (key-states.ts), `key-origin-differs`.
 */
export async function createImportToken(
  ports: {
    readonly store: Pick<KeyImportStore, "putImportToken">;
    readonly materials: OpenedMaterials;
    readonly vouchedRows: VouchedRows;
    readonly clock: Clock;
  },
  input: { readonly project: ProjectRecord; readonly key: KeyRecord },
): Promise<ImportTokenRecord> {
  const { project, key } = input;
  requireImportable(key);
  const made = await ports.materials.withKek(
    { kekId: project.kekId, projectId: project.id },
    ({ unit, handle }) => unit.materials.createImportKey(handle),
  );
  const token = await ports.vouchedRows.vouchForImportToken({
    id: uuid() as ImportTokenId,
    keyId: key.id,
    projectId: project.id,
    kekId: project.kekId,
    publicKey: made.publicKey,
    wrapped: made.wrapped,
    expiresAtMs: ports.clock.nowMs() + LIFETIME_MS,
  });
  await ports.store.putImportToken({ token });
  return token;
}

/** @throws Failure of a key that cannot be imported into (key-states.ts), `key-origin-differs`. */
export function requireImportable(key: KeyRecord): void {
  requireKeyState(key, "import");
  if (key.origin !== "imported") throw new Failure("key-origin-differs", "the key's material is generated");
}
