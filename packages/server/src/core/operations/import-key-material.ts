import type { VouchedRows } from "../access/vouched-rows.ts";
import type { Clock } from "../clock.ts";
import type { ImportAlgorithm } from "../crypto/import-wrap.ts";
import { Failure } from "../errors.ts";
import type { KeyDirectory } from "../hierarchy/key-directory.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { ImportTokenRecord, KeyRecord } from "../hierarchy/records.ts";
import type { KeyImportStore } from "../ports/store.ts";
import { requireImportable } from "./create-import-token.ts";

export interface ImportPorts {
  readonly store: Pick<KeyImportStore, "findImportToken" | "importKeyVersion">;
  readonly keys: KeyDirectory;
  readonly materials: OpenedMaterials;
  readonly vouchedRows: VouchedRows;
  readonly clock: Clock;
}

export interface KeyImport {
  readonly key: KeyRecord;
  readonly tokenId: string;
  readonly algorithm: ImportAlgorithm;
  readonly wrapped: Uint8Array;
}

/**
 * Adds a version with the material that a caller wrapped for an import token: unwrapped and wrapped again under the KEK in
 * one call of a unit. The token is used up by the transaction that adds the version, and by nothing else: material that is
 * refused may be sent again. A key that waited for its first material is enabled; any other stays in its state.
 * @throws Failure of a key that cannot be imported into (key-states.ts), `key-origin-differs`, `import-token-refused` for
 * a token that never was, is another key's, was replaced or used, `import-token-expired`, `key-material-refused`,
 * `key-changed`, `mutations-frozen`.
 */
export async function importKeyMaterial(ports: ImportPorts, input: KeyImport): Promise<KeyRecord> {
  const { key, algorithm } = input;
  requireImportable(key);
  const token = await validToken(ports, input);
  const { kekId, projectId } = token;
  const wrapped = await ports.materials.withKek({ kekId, projectId }, ({ unit, handle }) =>
    unit.materials.importMaterial(handle, { importKey: token.wrapped, algorithm, wrapped: input.wrapped }),
  );
  const version = await ports.vouchedRows.vouchForVersion({
    keyId: key.id,
    projectId,
    version: key.currentVersion + 1,
    kekId,
    wrapped,
    publicKey: undefined,
    createdAtMs: ports.clock.nowMs(),
  });
  const { mac: _mac, ...members } = key;
  const imported = await ports.vouchedRows.vouchForKey({
    ...members,
    state: key.state === "pending-import" ? "enabled" : key.state,
    currentVersion: version.version,
    revision: key.revision + 1,
  });
  const outcome = await ports.keys.changing(key.id, () =>
    ports.store.importKeyVersion({ key: imported, version, tokenId: token.id }),
  );
  if (outcome === "frozen") throw new Failure("mutations-frozen");
  if (outcome === "changed-meanwhile") throw new Failure("key-changed");
  if (outcome === "token-gone") throw new Failure("import-token-refused");
  return imported;
}

async function validToken(ports: ImportPorts, { key, tokenId }: KeyImport): Promise<ImportTokenRecord> {
  const found = await ports.store.findImportToken({ keyId: key.id });
  if (found?.id !== tokenId || found.projectId !== key.projectId) throw new Failure("import-token-refused");
  const token = await ports.vouchedRows.checkImportToken(found);
  if (token.expiresAtMs <= ports.clock.nowMs()) throw new Failure("import-token-expired");
  return token;
}
