import type { Clock } from "../clock.ts";
import { uuid } from "../crypto/random.ts";
import { Failure } from "../errors.ts";
import type { KeyId } from "../ids.ts";
import type { KeySpec } from "../hierarchy/key-specs.ts";
import { usageOf } from "../hierarchy/key-specs.ts";
import type { MakeVersionPorts } from "../hierarchy/make-version.ts";
import { makeVersion } from "../hierarchy/make-version.ts";
import type { KeyOrigin, KeyRecord, ProjectRecord } from "../hierarchy/records.ts";
import type { KeyStore } from "../ports/store.ts";

/**
 * Creates a key with its first version; or without one, `pending-import`, if its material is to be imported, which only
 * that of AES-256 keys can be.
 * @throws Failure `invalid-request`, `key-exists`, `mutations-frozen`.
 */
export async function createKey(
  ports: MakeVersionPorts & { readonly store: Pick<KeyStore, "createKey">; readonly clock: Clock },
  input: {
    readonly project: ProjectRecord;
    readonly name: string;
    readonly spec?: KeySpec | undefined;
    readonly origin?: KeyOrigin | undefined;
  },
): Promise<KeyRecord> {
  const { project, name, spec = "AES_256", origin = "generated" } = input;
  if (origin === "imported" && spec !== "AES_256")
    throw new Failure("invalid-request", "only keys of AES_256 are imported", { field: "origin" });
  const createdAtMs = ports.clock.nowMs();
  const id = uuid() as KeyId;
  const version =
    origin === "generated"
      ? await makeVersion(ports, { project, keyId: id, spec, version: 1, createdAtMs })
      : undefined;
  const key = await ports.vouchedRows.vouchForKey({
    id,
    projectId: project.id,
    name,
    spec,
    usage: usageOf(spec),
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
