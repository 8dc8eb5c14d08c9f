import { describe, expect, test } from "vitest";
import { barbicanFloor, pkcs11Floor } from "../../bench/pkcs11/floor.ts";
import { isWithout } from "../set-up/without.ts";
import { shimFor } from "./shim.ts";
import { KWP, startTokenUser } from "./token-user.ts";
import type { TestToken } from "./tokens.ts";
import { nssToken, softHsmToken } from "./tokens.ts";

const tokenKeys = async (token: TestToken): Promise<unknown> => {
  await using user = await startTokenUser(token);
  return (await user.use({ does: "tokenKeys" }))[0]?.value;
};

describe.for([
  ["softhsm2", softHsmToken],
  ["nss", nssToken],
] as const)("the floor of PKCS#11 benchmarks on %s", ([name, newToken]) => {
  const sizes = { wrapMechanism: KWP[name], rows: 20, operations: 30 };

  test.skipIf(isWithout(name))("does all of its rows and messages, and leaves nothing behind", async () => {
    using token = newToken();
    using shim = shimFor(token);
    for (const privateKeys of [true, false]) {
      const floor = await pkcs11Floor({ ...token, ...shim }, { ...sizes, privateKeys });
      for (const [what, count] of [
        ["rewrap", 20],
        ["gcm", 30],
        ["derivedGcm", 30],
      ] as const) {
        expect(floor[what].count).toBe(count);
        expect(floor[what].perSecond).toBeGreaterThan(0);
      }
    }
    // Of 40 KEKs: wrapped and checked when made; then unwrapped, wrapped, unwrapped again and checked.
    expect(shim.calls("C_UnwrapKey")).toBe(80);
    expect(shim.calls("C_WrapKey")).toBe(80);
    expect(shim.calls("C_DigestKey")).toBe(80);
    expect(shim.calls("C_DeriveKey")).toBe(60);
    expect(shim.calls("C_Encrypt")).toBe(120);
    expect(await tokenKeys(token)).toEqual([]);
  });

  test.skipIf(isWithout(name))("moves Barbican's project KEKs, and leaves nothing behind", async () => {
    using token = newToken();
    using shim = shimFor(token);
    const floor = await barbicanFloor({ ...token, ...shim }, { wrapMechanism: KWP[name], rows: 20 });
    expect(floor.count).toBe(20);
    expect(floor.perSecond).toBeGreaterThan(0);
    // Wrapped, signed and checked when made; then signed, unwrapped, wrapped, unwrapped again, compared and signed.
    expect(shim.calls("C_Sign")).toBe(60);
    expect(shim.calls("C_UnwrapKey")).toBe(40);
    expect(shim.calls("C_WrapKey")).toBe(40);
    expect(shim.calls("C_DigestKey")).toBe(60);
    expect(await tokenKeys(token)).toEqual([]);
  });

  test.skipIf(isWithout(name))("says which call failed, and leaves nothing behind then either", async () => {
    using token = newToken();
    using shim = shimFor(token);
    shim.set({ flip: "C_WrapKey" });
    await expect(pkcs11Floor({ ...token, ...shim }, sizes)).rejects.toThrow("floor: C_UnwrapKey: 0x");
    shim.clear();
    expect(await tokenKeys(token)).toEqual([]);
    await expect(pkcs11Floor({ ...token, pin: "not the PIN" }, sizes)).rejects.toThrow(
      "floor: C_Login: 0xa0",
    );
  });
});
