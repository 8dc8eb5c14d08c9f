import { describe, expect, test } from "vitest";
import { shimFor } from "../pkcs11/shim.ts";
import type { TestToken } from "../pkcs11/tokens.ts";
import { softHsmToken, softHsmTokens } from "../pkcs11/tokens.ts";
import { isWithout } from "../set-up/without.ts";
import { KEYS, open, rowsUnder, to, valueOf } from "./known-token.ts";
import { countKeys, importKeys } from "./token-with-keys.ts";
import { MKEK } from "./vectors.ts";

/* What becomes of project KEKs when their token, or the way into it, fails. */

describe.skipIf(isWithout("softhsm2"))("the token of a Barbican", () => {
  const newToken = (): TestToken => {
    const token = softHsmToken();
    importKeys(token, KEYS);
    return token;
  };
  const target = to("CKM_AES_KEY_WRAP_PAD");

  test("is found by the first of the labels that there is", async () => {
    const tokens = softHsmTokens(["erste", "zweite"]);
    const [first, second] = tokens;
    if (!first || !second) throw new Error("two tokens");
    using token = { ...second, [Symbol.dispose]: () => first[Symbol.dispose]() };
    await using barbican = await open(token);
    expect(barbican.facts).toMatchObject({
      label: "zweite",
      serial: second.serial,
      manufacturer: "SoftHSM project",
    });
    const location = { modulePath: first.module, labels: ["keine", "auch keine"] };
    const deadlinesMs = { start: 5_000, quick: 5_000, batch: 5_000, generate: 5_000 };
    await expect(open(token, { location, hosts: 1, deadlinesMs })).rejects.toMatchObject({
      code: "barbican-config-unsuitable",
      message: "the token cannot be opened: no such token is present",
    });
  });

  test("is tried with a wrong PIN once, however many hosts there are", async () => {
    using token = newToken();
    using shim = shimFor(token);
    await expect(open({ ...token, pin: "00000000" }, { hosts: 4 }, shim)).rejects.toMatchObject({
      code: "barbican-pin-refused",
    });
    expect(shim.calls("C_Login")).toBe(1);
  });

  test("is tried with a PIN once that has become wrong, when all hosts log in again", async () => {
    using token = newToken();
    using shim = shimFor(token);
    await using barbican = await open(token, { hosts: 4 }, shim);
    const rows = rowsUnder("CKM_AES_KEY_WRAP_PAD", 100).map(({ key }) => key);
    await barbican.rewrap(rows, target);
    const before = shim.calls("C_Login");
    shim.set({ fn: "C_UnwrapKey", rv: 0xb3 }, { fn: "C_Login", rv: 0xa0 });
    await expect(barbican.rewrap(rows, target)).rejects.toMatchObject({ code: "barbican-pin-refused" });
    expect(shim.calls("C_Login")).toBe(before + 1);
    shim.clear();
    await expect(barbican.verify(rows)).rejects.toMatchObject({ code: "barbican-pin-refused" });
    expect(shim.calls("C_Login")).toBe(before + 1);
  });

  test("is opened again where its session is lost, and rows are neither lost nor refused", async () => {
    using token = newToken();
    using shim = shimFor(token);
    await using barbican = await open(token, {}, shim);
    const rows = rowsUnder("CKM_AES_KEY_WRAP_PAD", 200);
    const keys = rows.map(({ key }) => key);
    const faults = [
      { fn: "C_UnwrapKey", rv: 0xb3, skip: 37, times: 1 },
      { fn: "C_WrapKey", rv: 0x30, skip: 20, times: 1 },
      { fn: "C_Sign", rv: 0x101, skip: 50, times: 1 },
      { fn: "C_DestroyObject", rv: 0x32, skip: 11, times: 1 },
      { fn: "C_DigestKey", rv: 0x05, skip: 3, times: 1 },
      { fn: "C_UnwrapKey", rv: 0x05, skip: 40, times: 1 },
    ] as const;
    for (const fault of faults) {
      const before = shim.injected();
      shim.set(fault);
      expect((await barbican.rewrap(keys, target)).map(valueOf)).toEqual(rows.map(({ value }) => value));
      expect(shim.injected()).toBe(before + 1);
    }
    expect(countKeys(token)).toBe(KEYS.length);
  });

  test("goes on with another host where one crashes", async () => {
    using token = newToken();
    using shim = shimFor(token);
    const troubles: string[] = [];
    await using barbican = await open(token, { onTrouble: (text) => troubles.push(text) }, shim);
    const rows = rowsUnder("CKM_AES_KEY_WRAP_PAD", 200);
    shim.set({ fn: "C_WrapKey", crash: true, skip: 60, times: 1 });
    const made = await barbican.rewrap(
      rows.map(({ key }) => key),
      target,
    );
    expect(made.map(valueOf)).toEqual(rows.map(({ value }) => value));
    expect(troubles).toEqual(["a unit host was ended by SIGSEGV; another one is started"]);
  });

  test("that gives no answer any more is trouble, and no fault of a row", async () => {
    using token = newToken();
    using shim = shimFor(token);
    await using barbican = await open(token, {}, shim);
    const keys = rowsUnder("CKM_AES_KEY_WRAP_PAD", 3).map(({ key }) => key);
    const unreachable = { code: "barbican-token-failed" };
    shim.set({ fn: "C_UnwrapKey", rv: 0x32 });
    await expect(barbican.verify(keys)).rejects.toMatchObject(unreachable);
    await expect(barbican.rewrap(keys, target)).rejects.toMatchObject(unreachable);
    // What SoftHSM says of a bad blob too, but now of all.
    shim.set({ fn: "C_UnwrapKey", rv: 0x05 });
    await expect(barbican.verify(keys)).rejects.toMatchObject(unreachable);
    shim.clear();
    expect(await barbican.verify(keys)).toEqual(keys.map(() => "opened"));
  });

  test("that wraps another key than it was given does not have its way", async () => {
    using token = newToken();
    using shim = shimFor(token);
    await using barbican = await open(token, {}, shim);
    const keys = rowsUnder("CKM_AES_KEY_WRAP_PAD", 3).map(({ key }) => key);
    await barbican.rewrap(keys, target);
    shim.set({ flip: "C_WrapKey" });
    await expect(barbican.rewrap(keys, target)).rejects.toMatchObject({ code: "barbican-token-failed" });
  });

  test("that lists a mechanism and fails at it cannot wrap by it", async () => {
    using token = newToken();
    using shim = shimFor(token);
    await using barbican = await open(token, {}, shim);
    shim.set({ fn: "C_UnwrapKey", rv: 0x54 });
    await expect(barbican.rewrap([], target)).rejects.toMatchObject({
      code: "barbican-mechanism-unsuitable",
      message: expect.stringContaining("CKM_AES_KEY_WRAP_PAD under neu"),
    });
    expect(shim.calls("C_DestroyObject")).toBe(shim.calls("C_GenerateKey"));
  });

  test("is used by its token objects where it copies none, and compares by a block where it digests no keys", async () => {
    using token = newToken();
    using shim = shimFor(token);
    shim.set({ fn: "C_CopyObject", rv: 0x54 }, { fn: "C_DigestKey", rv: 0x54 });
    await using barbican = await open(token, {}, shim);
    const rows = rowsUnder("CKM_AES_KEY_WRAP_PAD", 20);
    const made = await barbican.rewrap(
      rows.map(({ key }) => key),
      target,
    );
    expect(made.map(valueOf)).toEqual(rows.map(({ value }) => value));
    expect(shim.calls("C_Encrypt")).toBeGreaterThanOrEqual(2 * rows.length);
  });

  test("begins anew after so many requests, because SoftHSM keeps some of what it has destroyed", async () => {
    using token = newToken();
    using shim = shimFor(token);
    await using barbican = await open(token, { hosts: 1 }, shim);
    const keys = rowsUnder("CKM_AES_KEY_WRAP_PAD", 1).map(({ key }) => key);
    const finalised = shim.calls("C_Finalize");
    const answers = await Promise.all(Array.from({ length: 2_100 }, () => barbican.verify(keys)));
    expect(answers.every(([answer]) => answer === "opened")).toBe(true);
    expect(shim.calls("C_Finalize")).toBe(finalised + 1);
  });

  test("destroys each key that it opens", async () => {
    using token = newToken();
    using shim = shimFor(token);
    await using barbican = await open(token, { hosts: 1 }, shim);
    const [row] = rowsUnder("CKM_AES_KEY_WRAP_PAD", 1);
    if (!row) throw new Error("no row");
    await barbican.rewrap([row.key], target);
    const calls = () => [
      shim.calls("C_UnwrapKey"),
      shim.calls("C_DestroyObject"),
      shim.calls("C_FindObjects"),
    ];
    const [opened = 0, destroyed = 0, looked] = calls();
    await barbican.rewrap([row.key, { ...row.key, hmac: MKEK }, row.key], target);
    await barbican.verify([row.key]);
    expect(calls()).toEqual([opened + 5, destroyed + 5, looked]);
  });
});
