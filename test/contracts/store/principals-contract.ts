import { describe, expect, test } from "vitest";
import type { PrincipalRecord, TokenRecord } from "../../../packages/server/src/core/access/principal.ts";
import type { PrincipalId, ProjectId, TokenId } from "../../../packages/server/src/core/ids.ts";
import { uuidOf } from "./samples.ts";
import type { StoreRig } from "./store-rig.ts";

const principal = (i: number, more: Partial<PrincipalRecord> = {}): PrincipalRecord => ({
  id: uuidOf(5, i) as PrincipalId,
  name: `name-${i}`,
  kind: "service",
  state: "enabled",
  grants: [{ role: "key-user", projectId: uuidOf(1, 1) as ProjectId }],
  requestsPerSecond: undefined,
  identity: undefined,
  certificate: undefined,
  createdAtMs: 1,
  revision: 1,
  mac: Uint8Array.of(3),
  ...more,
});

const token = (i: number, of: number, more: Partial<TokenRecord> = {}): TokenRecord => ({
  id: uuidOf(6, i) as TokenId,
  principalId: uuidOf(5, of) as PrincipalId,
  hash: Uint8Array.of(i),
  label: "",
  createdAtMs: 1,
  expiresAtMs: undefined,
  revokedAtMs: undefined,
  mac: Uint8Array.of(4),
  ...more,
});

const ADMINISTRATOR = [{ role: "administrator", projectId: undefined }] as const;

/** Principals, their tokens, and the count of revocations. */
export function principalsContract(rig: StoreRig): void {
  describe("principals", () => {
    test("a principal's name is unique, and a refused one leaves no token", async () => {
      const { store } = rig;
      expect(await store.createPrincipal({ principal: principal(1), token: token(1, 1) })).toBe("created");
      const twin = principal(2, { name: "name-1" });
      expect(await store.createPrincipal({ principal: twin, token: token(2, 2) })).toBe("name-taken");
      expect(await store.findTokenByHash({ hash: Uint8Array.of(1) })).toEqual({
        token: token(1, 1),
        principal: principal(1),
      });
      expect(await store.findTokenByHash({ hash: Uint8Array.of(2) })).toBeUndefined();
    });

    test("is found by id and by name, and comes back as it was written", async () => {
      const { store } = rig;
      const written = principal(1, {
        requestsPerSecond: 7,
        grants: [...ADMINISTRATOR],
        kind: "person",
      });
      await store.createPrincipal({ principal: written, token: token(1, 1) });
      expect(await store.findPrincipal({ ref: written.id })).toEqual(written);
      expect(await store.findPrincipal({ ref: written.name })).toEqual(written);
      expect(await store.findPrincipal({ ref: "nobody" })).toBeUndefined();
      expect((await store.listPrincipals({ limit: 10, after: undefined })).items).toEqual([written]);
    });

    test("changes by revision, and counts a revocation exactly when it did", async () => {
      const { store } = rig;
      await store.createPrincipal({ principal: principal(1), token: token(1, 1) });
      const before = await store.readRevocations({});
      const disabled = principal(1, { state: "disabled", revision: 2 });
      expect(await store.updatePrincipal({ principal: disabled })).toBe("last-administrator");
      const boss = principal(2, { grants: [...ADMINISTRATOR] });
      await store.createPrincipal({ principal: boss, token: token(2, 2) });
      expect(await store.readRevocations({})).toBe(before);
      expect(await store.updatePrincipal({ principal: disabled })).toBe("updated");
      expect(await store.updatePrincipal({ principal: disabled })).toBe("changed-meanwhile");
      expect(await store.readRevocations({})).toBe(before + 1);
      expect(await store.findPrincipal({ ref: disabled.id })).toEqual(disabled);
    });

    test("an identity and a certificate are of one principal only, and find it", async () => {
      const { store } = rig;
      const identity = { issuer: "https://id.example", subject: "7" };
      const certificate = "ab".repeat(32);
      for (const i of [1, 2, 3])
        await store.createPrincipal({
          principal: principal(i, i === 3 ? { grants: [...ADMINISTRATOR] } : {}),
          token: token(i, i),
        });
      const bound = principal(1, { identity, certificate, revision: 2 });
      expect(await store.updatePrincipal({ principal: bound })).toBe("updated");
      expect(await store.findPrincipalByIdentity({ identity })).toEqual(bound);
      expect(await store.findPrincipalByCertificate({ certificate })).toEqual(bound);
      for (const other of [
        { ...identity, issuer: "https://other.example" },
        { ...identity, subject: "8" },
      ])
        expect(await store.findPrincipalByIdentity({ identity: other })).toBeUndefined();
      const twin = (more: Partial<PrincipalRecord>) =>
        store.updatePrincipal({ principal: principal(2, { ...more, revision: 2 }) });
      expect(await twin({ identity })).toBe("identity-taken");
      expect(await twin({ certificate })).toBe("certificate-taken");
      expect(await store.findPrincipal({ ref: principal(2).id })).toEqual(principal(2));
      expect(await store.updatePrincipal({ principal: { ...bound, revision: 3 } })).toBe("updated");
      expect(await store.updatePrincipal({ principal: principal(1, { revision: 4 }) })).toBe("updated");
      expect(await store.findPrincipalByIdentity({ identity })).toBeUndefined();
      expect(await store.findPrincipalByCertificate({ certificate })).toBeUndefined();
      expect(await twin({ identity, certificate })).toBe("updated");
    });

    test("the last enabled administrator of the whole service stays one", async () => {
      const { store } = rig;
      const [one, other] = [1, 2].map((i) => principal(i, { grants: [...ADMINISTRATOR] }));
      if (!one || !other) throw new Error("two administrators");
      await store.createPrincipal({ principal: one, token: token(1, 1) });
      await store.createPrincipal({ principal: other, token: token(2, 2) });
      const gone = { ...one, state: "disabled", revision: 2 } as const;
      expect(await store.updatePrincipal({ principal: gone })).toBe("updated");
      const demoted = { ...other, grants: [], revision: 2 };
      expect(await store.updatePrincipal({ principal: demoted })).toBe("last-administrator");
      expect(await store.findPrincipal({ ref: other.id })).toEqual(other);
    });
  });

  describe("tokens", () => {
    test("a token is revoked once, and that counts", async () => {
      const { store } = rig;
      await store.createPrincipal({ principal: principal(1), token: token(1, 1) });
      await store.createToken({ token: token(2, 1, { expiresAtMs: 9, label: "spare" }) });
      const before = await store.readRevocations({});
      const revoked = token(1, 1, { revokedAtMs: 5, mac: Uint8Array.of(8) });
      expect(await store.revokeToken({ token: revoked })).toBe("revoked");
      expect(await store.revokeToken({ token: { ...revoked, revokedAtMs: 6 } })).toBe("revoked-before");
      expect(await store.readRevocations({})).toBe(before + 1);
      expect(await store.listTokens({ principalId: principal(1).id })).toEqual([
        revoked,
        token(2, 1, { expiresAtMs: 9, label: "spare" }),
      ]);
      expect(await store.findToken({ id: revoked.id })).toEqual(revoked);
    });

    test("those that ended before a time are found and dropped, and no other, whoever names it", async () => {
      const { store } = rig;
      await store.createPrincipal({ principal: principal(1), token: token(1, 1) });
      const kept = [
        token(2, 1, { expiresAtMs: 10 }),
        token(3, 1, { expiresAtMs: 20, revokedAtMs: 10 }),
        token(4, 1, { expiresAtMs: 20 }),
      ];
      const ended = [
        token(5, 1, { expiresAtMs: 9 }),
        token(6, 1, { revokedAtMs: 9 }),
        token(7, 1, { expiresAtMs: 20, revokedAtMs: 9 }),
        token(8, 1, { expiresAtMs: 9, revokedAtMs: 20 }),
      ];
      for (const one of [...kept, ...ended]) await store.createToken({ token: one });
      const before = await store.readRevocations({});
      const found = await store.listEndedTokens({ endedBeforeMs: 10, limit: 10 });
      expect(found.toSorted()).toEqual(ended.map(({ id }) => id));
      expect(await store.listEndedTokens({ endedBeforeMs: 10, limit: 3 })).toHaveLength(3);
      const everything = [token(1, 1), ...kept, ...ended].map(({ id }) => id);
      expect(await store.dropEndedTokens({ ids: everything, endedBeforeMs: 10 })).toBe(4);
      expect(await store.dropEndedTokens({ ids: everything, endedBeforeMs: 10 })).toBe(0);
      expect(await store.listTokens({ principalId: principal(1).id })).toEqual([token(1, 1), ...kept]);
      expect(await store.findTokenByHash({ hash: Uint8Array.of(6) })).toBeUndefined();
      expect(await store.readRevocations({})).toBe(before);
    });
  });
}
