import type { Clock } from "../clock.ts";
import { Failure } from "../errors.ts";
import type { ChangeKeyPorts } from "../hierarchy/change-key.ts";
import { changeKey } from "../hierarchy/change-key.ts";
import { requireKeyState } from "../hierarchy/key-states.ts";
import type { MakeVersionPorts } from "../hierarchy/make-version.ts";
import { makeVersion } from "../hierarchy/make-version.ts";
import type { KeyRecord, ProjectRecord } from "../hierarchy/records.ts";

/**
 * Adds a version, with which the key encrypts or signs from now on; what older versions encrypted still decrypts, and what
 * they signed still verifies.
 * @throws Failure of a key that is not enabled (key-states.ts), `key-origin-differs` for a key whose material is imported,
 * `key-changed`, `mutations-frozen`.
 */
export async function rotateKey(
  ports: ChangeKeyPorts & MakeVersionPorts & { readonly clock: Clock },
  input: { readonly project: ProjectRecord; readonly key: KeyRecord },
): Promise<KeyRecord> {
  const { project, key } = input;
  requireKeyState(key, "rotate");
  if (key.origin !== "generated") throw new Failure("key-origin-differs", "the key's material is imported");
  const version = await makeVersion(ports, {
    project,
    keyId: key.id,
    spec: key.spec,
    version: key.currentVersion + 1,
    createdAtMs: ports.clock.nowMs(),
  });
  return await changeKey(ports, key, { currentVersion: version.version }, version);
}
