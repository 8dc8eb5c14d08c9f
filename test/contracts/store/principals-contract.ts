import { describe, expect, test } from "vitest";
import type { PrincipalId } from "../../../packages/server/src/core/ids.ts";
import { uuidOf } from "./samples.ts";
import type { StoreRig } from "./store-rig.ts";

/** Principals and their tokens. */
export function principalsContract(rig: StoreRig): void {
  describe("principals", () => {
    test("a principal's name and token are unique", async () => {
      const principal = (i: number, name: string, token: number) => ({
        id: uuidOf(5, i) as PrincipalId,
        name,
        roles: [],
        tokenHash: Uint8Array.of(token),
        createdAtMs: 1,
        mac: Uint8Array.of(3),
      });
      expect(await rig.store.createPrincipal({ principal: principal(1, "ann", 1) })).toBe("created");
      expect(await rig.store.createPrincipal({ principal: principal(2, "ann", 2) })).toBe("name-taken");
      const found = await rig.store.findPrincipalByTokenHash({ tokenHash: Uint8Array.of(1) });
      expect(found?.name).toBe("ann");
      expect(await rig.store.findPrincipalByTokenHash({ tokenHash: Uint8Array.of(2) })).toBeUndefined();
    });
  });
}
