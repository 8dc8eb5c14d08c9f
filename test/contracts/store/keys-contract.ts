import { describe, expect, test } from "vitest";
import type { KekId, KeyId, ProjectId } from "../../../packages/server/src/core/ids.ts";
import { uuidOf } from "./samples.ts";
import type { StoreRig } from "./store-rig.ts";

/** Keys and their versions: names, revisions, the freeze. */
export function keysContract(rig: StoreRig): void {
  const { createRows, openOne, goTo } = rig;

  describe("keys", () => {
    const key = (i: number, name: string, project = 1) => ({
      id: uuidOf(4, i) as KeyId,
      projectId: uuidOf(2, project) as ProjectId,
      name,
      spec: "AES_256" as const,
      usage: "ENCRYPT_DECRYPT" as const,
      state: "enabled" as const,
      currentVersion: 1,
      createdAtMs: 1,
      revision: 1,
      mac: Uint8Array.of(1),
    });
    const version = (i: number, number = 1, project = 1) => ({
      keyId: uuidOf(4, i) as KeyId,
      projectId: uuidOf(2, project) as ProjectId,
      version: number,
      kekId: uuidOf(3, project) as KekId,
      wrapped: Uint8Array.of(i),
      createdAtMs: 1,
      mac: Uint8Array.of(2),
    });

    test("a key's name is unique within its project", async () => {
      await createRows(2);
      expect(await rig.store.createKey({ key: key(1, "k"), version: version(1) })).toBe("created");
      expect(await rig.store.createKey({ key: key(2, "k"), version: version(2) })).toBe("name-taken");
      expect(await rig.store.readKeyVersion({ keyId: uuidOf(4, 2) as KeyId, version: 1 })).toBeUndefined();
      expect(await rig.store.createKey({ key: key(2, "k", 2), version: version(2, 1, 2) })).toBe("created");
      expect((await rig.store.findKey({ projectId: uuidOf(2, 2) as ProjectId, ref: "k" }))?.id).toBe(
        uuidOf(4, 2),
      );
    });

    test("of two updates of one revision one is done", async () => {
      await createRows(1);
      await rig.store.createKey({ key: key(1, "k"), version: version(1) });
      const update = (number: number) =>
        rig.store.updateKey({
          key: { ...key(1, "k"), currentVersion: 2, revision: 2, mac: Uint8Array.of(number) },
          version: version(1, 2),
        });
      expect((await Promise.all([update(1), update(2)])).toSorted()).toEqual([
        "changed-meanwhile",
        "updated",
      ]);
    });

    test("a change with freeze=mutations refuses new keys and versions while it re-enciphers", async () => {
      await createRows(1);
      await rig.store.createKey({ key: key(1, "k"), version: version(1) });
      await openOne(1, { freeze: "mutations" });
      await goTo("staged", "reencipher");
      expect(await rig.store.createKey({ key: key(2, "l"), version: version(2) })).toBe("frozen");
      const next = { ...key(1, "k"), currentVersion: 2, revision: 2 };
      expect(await rig.store.updateKey({ key: next, version: version(1, 2) })).toBe("frozen");
      expect(await rig.store.updateKey({ key: { ...next, currentVersion: 1 }, version: undefined })).toBe(
        "updated",
      );
    });
  });
}
