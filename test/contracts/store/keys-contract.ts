import { describe, expect, test } from "vitest";
import type { ImportTokenId, KekId, KeyId, ProjectId } from "../../../packages/server/src/core/ids.ts";
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
      origin: "generated" as const,
      state: "enabled" as const,
      currentVersion: 1,
      createdAtMs: 1,
      deletionDueMs: undefined,
      destroyedAtMs: undefined,
      revision: 1,
      mac: Uint8Array.of(1),
    });
    const version = (i: number, number = 1, project = 1) => ({
      keyId: uuidOf(4, i) as KeyId,
      projectId: uuidOf(2, project) as ProjectId,
      version: number,
      kekId: uuidOf(3, project) as KekId,
      wrapped: Uint8Array.of(i),
      publicKey: undefined,
      createdAtMs: 1,
      mac: Uint8Array.of(2),
    });

    const importToken = (i: number, id: number, expiresAtMs = 9) => ({
      id: uuidOf(6, id) as ImportTokenId,
      keyId: uuidOf(4, i) as KeyId,
      projectId: uuidOf(2, 1) as ProjectId,
      kekId: uuidOf(3, 1) as KekId,
      publicKey: Uint8Array.of(1, id),
      wrapped: Uint8Array.of(2, id),
      expiresAtMs,
      mac: Uint8Array.of(3, id),
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
      await rig.store.putImportToken({ token: importToken(1, 1) });
      const tokenId = uuidOf(6, 1) as ImportTokenId;
      const second = { ...key(1, "k"), currentVersion: 2, revision: 2 };
      expect(await rig.store.importKeyVersion({ key: second, version: version(1, 2), tokenId })).toBe(
        "frozen",
      );
      const next = { ...key(1, "k"), currentVersion: 2, revision: 2 };
      expect(await rig.store.updateKey({ key: next, version: version(1, 2) })).toBe("frozen");
      expect(await rig.store.updateKey({ key: { ...next, currentVersion: 1 }, version: undefined })).toBe(
        "updated",
      );
    });

    const waiting = (i: number, name: string, deletionDueMs: number) => ({
      ...key(i, name),
      state: "pending-deletion" as const,
      deletionDueMs,
      revision: 2,
    });
    const gone = (i: number, name: string, revision: number) => ({
      ...key(i, name),
      state: "destroyed" as const,
      deletionDueMs: 5,
      destroyedAtMs: 6,
      revision,
    });

    test("keys are due whose deletion is pending and whose time has come, the longest due first", async () => {
      await createRows(1);
      for (const [i, due] of [30, 10, 20].entries()) {
        const name = `k${i}`;
        await rig.store.createKey({ key: key(i, name), version: version(i) });
        await rig.store.updateKey({ key: waiting(i, name, due), version: undefined });
      }
      await rig.store.createKey({ key: key(9, "k9"), version: version(9) });
      const due = async (nowMs: number, limit = 9) =>
        (await rig.store.listKeysDue({ nowMs, limit })).map(({ name }) => name);
      expect(await due(9)).toEqual([]);
      expect(await due(20)).toEqual(["k1", "k2"]);
      expect(await due(99, 2)).toEqual(["k1", "k2"]);
      await rig.store.updateKey({
        key: { ...key(1, "k1"), state: "disabled", revision: 3 },
        version: undefined,
      });
      expect(await due(99)).toEqual(["k2", "k0"]);
      expect((await rig.store.listKeysDue({ nowMs: 20, limit: 1 }))[0]).toEqual(waiting(2, "k2", 20));
    });

    test("a key is destroyed with the material of all its versions, if nobody changed it meanwhile", async () => {
      await createRows(1);
      await rig.store.createKey({ key: key(1, "k"), version: version(1) });
      await rig.store.updateKey({
        key: { ...waiting(1, "k", 5), currentVersion: 2 },
        version: version(1, 2),
      });
      await rig.store.createKey({ key: key(2, "l"), version: version(2) });
      const emptied = (number: number) => ({
        ...version(1, number),
        wrapped: new Uint8Array(0),
        mac: Uint8Array.of(9),
      });
      const destroy = (revision: number) =>
        rig.store.destroyKey({
          key: { ...gone(1, "k", revision), currentVersion: 2 },
          versions: [emptied(2)],
        });
      expect(await destroy(2)).toBe("changed-meanwhile");
      const keyId = uuidOf(4, 1) as KeyId;
      expect((await rig.store.listKeyVersions({ keyId })).map(({ wrapped }) => [...wrapped])).toEqual([
        [1],
        [1],
      ]);
      expect(await destroy(3)).toBe("destroyed");
      expect(await rig.store.listKeyVersions({ keyId })).toEqual([
        { ...version(1, 1), wrapped: new Uint8Array(0) },
        emptied(2),
      ]);
      expect(await rig.store.readKeyVersion({ keyId: uuidOf(4, 2) as KeyId, version: 1 })).toEqual(
        version(2),
      );
      const projectId = uuidOf(2, 1) as ProjectId;
      expect(await rig.store.findKey({ projectId, ref: keyId })).toEqual({
        ...gone(1, "k", 3),
        currentVersion: 2,
      });
      expect(await destroy(3)).toBe("changed-meanwhile");
    });

    test("a key has one import token, which the version that it brings uses up", async () => {
      await createRows(1);
      const pending = {
        ...key(1, "k"),
        origin: "imported" as const,
        state: "pending-import" as const,
        currentVersion: 0,
      };
      expect(await rig.store.createKey({ key: pending, version: undefined })).toBe("created");
      const keyId = uuidOf(4, 1) as KeyId;
      expect(await rig.store.findKey({ projectId: uuidOf(2, 1) as ProjectId, ref: "k" })).toEqual(pending);
      expect(await rig.store.findImportToken({ keyId })).toBeUndefined();
      for (const id of [1, 2]) await rig.store.putImportToken({ token: importToken(1, id) });
      expect(await rig.store.findImportToken({ keyId })).toEqual(importToken(1, 2));
      const bring = (id: number, revision: number) =>
        rig.store.importKeyVersion({
          key: { ...pending, state: "enabled", currentVersion: 1, revision },
          version: version(1),
          tokenId: uuidOf(6, id) as ImportTokenId,
        });
      expect(await bring(1, 2)).toBe("token-gone");
      expect(await bring(2, 3)).toBe("changed-meanwhile");
      expect(await rig.store.listKeyVersions({ keyId })).toEqual([]);
      expect((await Promise.all([bring(2, 2), bring(2, 2)])).toSorted()).toEqual(["token-gone", "updated"]);
      expect(await rig.store.listKeyVersions({ keyId })).toEqual([version(1)]);
    });

    test("import tokens go when they expire, and with their key", async () => {
      await createRows(1);
      for (const i of [1, 2, 3]) {
        await rig.store.createKey({ key: key(i, `k${i}`), version: version(i) });
        await rig.store.putImportToken({ token: importToken(i, i, 10 * i) });
      }
      expect(await rig.store.dropExpiredImportTokens({ nowMs: 9 })).toBe(0);
      expect(await rig.store.dropExpiredImportTokens({ nowMs: 10 })).toBe(1);
      await rig.store.destroyKey({ key: gone(2, "k2", 2), versions: [] });
      const left = [1, 2, 3].map((i) => rig.store.findImportToken({ keyId: uuidOf(4, i) as KeyId }));
      expect((await Promise.all(left)).map((token) => token?.id)).toEqual([
        undefined,
        undefined,
        uuidOf(6, 3),
      ]);
    });

    test("the name of a destroyed key is free, once more and again", async () => {
      await createRows(1);
      const projectId = uuidOf(2, 1) as ProjectId;
      for (const i of [1, 2, 3]) {
        expect(await rig.store.createKey({ key: key(i, "k"), version: version(i) })).toBe("created");
        expect(await rig.store.createKey({ key: key(9, "k"), version: version(9) })).toBe("name-taken");
        expect((await rig.store.findKey({ projectId, ref: "k" }))?.id).toBe(uuidOf(4, i));
        if (i < 3) await rig.store.destroyKey({ key: gone(i, "k", 2), versions: [] });
      }
      const list = async (destroyed: boolean) =>
        (await rig.store.listKeys({ projectId, limit: 9, after: undefined, destroyed })).items.map(
          ({ id, state }) => [id, state],
        );
      expect(await list(false)).toEqual([[uuidOf(4, 3), "enabled"]]);
      expect(await list(true)).toEqual([
        [uuidOf(4, 1), "destroyed"],
        [uuidOf(4, 2), "destroyed"],
        [uuidOf(4, 3), "enabled"],
      ]);
    });
  });
}
