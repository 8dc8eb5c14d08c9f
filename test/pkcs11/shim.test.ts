import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isWithout } from "../set-up/without.ts";
import type { Shim } from "./shim.ts";
import { shimFor } from "./shim.ts";
import type { TokenUse, TokenUser } from "./token-user.ts";
import { startTokenUser } from "./token-user.ts";
import type { TestToken } from "./tokens.ts";
import { nssToken, softHsmToken } from "./tokens.ts";

/** The faults that other tests rely on are what they say, on a real token. */
const CKR_GENERAL_ERROR = 0x05;
const CKR_DEVICE_ERROR = 0x30;
const CKR_MECHANISM_INVALID = 0x70;
const CKR_PIN_INCORRECT = 0xa0;
const CKR_PIN_LOCKED = 0xa4;
const SOFTHSM_KWP = 0x21_0a;

describe.skipIf(isWithout("softhsm2"))("the PKCS#11 shim", () => {
  let token: TestToken;
  let shim: Shim;
  let user: TokenUser;
  beforeAll(() => {
    token = softHsmToken();
    return () => token[Symbol.dispose]();
  });
  beforeEach(async () => {
    shim = shimFor(token);
    user = await startTokenUser(token, shim);
    return async () => {
      await user[Symbol.asyncDispose]();
      shim[Symbol.dispose]();
    };
  });

  const codes = async (use: TokenUse, by = user): Promise<readonly number[]> =>
    (await by.use(use)).map(({ rv }) => rv);
  const failures = async (use: TokenUse, by = user): Promise<number> =>
    (await codes(use, by)).filter((rv) => rv !== 0).length;

  test.for([1, 10, 37, 100])("fails %i of each hundred calls of a function, until cleared", async (rate) => {
    shim.set({ fn: "C_GenerateRandom", rate, rv: CKR_DEVICE_ERROR });
    const met = await codes({ does: "random", times: 300 });
    expect(met.filter((rv) => rv === CKR_DEVICE_ERROR)).toHaveLength(3 * rate);
    expect(met.filter((rv) => rv === 0)).toHaveLength(300 - 3 * rate);
    expect(await failures({ does: "wrap", times: 100 })).toBe(0);
    shim.clear();
    expect(await failures({ does: "random", times: 100 })).toBe(0);
  });

  test("fails calls of every function, and not the same one of a loop each time", async () => {
    shim.set({ fn: "*", rate: 10, rv: CKR_GENERAL_ERROR });
    let [random, wrap] = [0, 0];
    for (let i = 0; i < 100; i += 1) {
      random += await failures({ does: "random" });
      wrap += await failures({ does: "wrap", times: 9 });
    }
    expect(random + wrap).toBe(100);
    expect(random).toBeGreaterThan(4);
    expect(random).toBeLessThan(16);
    shim.clear();
    expect(await failures({ does: "wrap", times: 100 })).toBe(0);
  });

  test("fails the next calls only", async () => {
    shim.set({ fn: "C_GenerateRandom", times: 2, rv: CKR_DEVICE_ERROR });
    const met = await codes({ does: "random", times: 4 });
    expect(met).toEqual([CKR_DEVICE_ERROR, CKR_DEVICE_ERROR, 0, 0]);
  });

  test("fails a call that the token never saw, or one that it has done", async () => {
    shim.set({ fn: "C_GenerateKey", rv: CKR_DEVICE_ERROR });
    expect(await codes({ does: "makeTokenKey", label: "never asked" })).toEqual([CKR_DEVICE_ERROR]);
    shim.set({ fn: "C_GenerateKey", after: true, rv: CKR_DEVICE_ERROR });
    expect(await codes({ does: "makeTokenKey", label: "done" })).toEqual([CKR_DEVICE_ERROR]);
    shim.clear();
    expect(await user.use({ does: "tokenKeys" })).toEqual([{ rv: 0, value: ["done"] }]);
  });

  test("refuses PINs, and counts the tries of all processes", async () => {
    await using other = await startTokenUser(token, shim);
    const tries = shim.calls("C_Login");
    expect(tries).toBe(2);
    shim.set({ fn: "C_Login", times: 1, rv: CKR_PIN_INCORRECT });
    expect(await codes({ does: "logIn" })).toEqual([CKR_PIN_INCORRECT]);
    shim.set({ fn: "C_Login", rv: CKR_PIN_LOCKED });
    expect(await codes({ does: "logIn" }, other)).toEqual([CKR_PIN_LOCKED]);
    expect(shim.calls("C_Login") - tries).toBe(2);
    shim.clear();
    expect(await codes({ does: "logIn" }, other)).toEqual([0]);
  });

  test("counts the calls of all processes together, and which of them met a fault", async () => {
    await using other = await startTokenUser(token, shim);
    shim.set({ fn: "C_GenerateRandom", rate: 10, rv: CKR_DEVICE_ERROR });
    const does = { does: "random", times: 500 } as const;
    const met = await Promise.all([failures(does), failures(does, other)]);
    expect(met[0] + met[1]).toBe(100);
    expect(shim.injected()).toBe(100);
    expect(shim.calls("C_GenerateRandom")).toBe(1000);
  });

  test("hangs until cleared, while other functions and processes go on", async () => {
    await using other = await startTokenUser(token, shim);
    shim.set({ fn: "C_GenerateRandom", times: 1, hang: true });
    let answered = false;
    const hung = codes({ does: "random" }).finally(() => (answered = true));
    while (shim.injected() === 0) await sleep(5);
    expect(await codes({ does: "random" }, other)).toEqual([0]);
    await sleep(100);
    expect(answered).toBe(false);
    shim.clear();
    expect(await hung).toEqual([0]);
  });

  test("a process that hangs can be killed", async () => {
    shim.set({ fn: "C_GenerateRandom", hang: true });
    const hung = user.use({ does: "random" });
    const killed = (async () => {
      while (shim.injected() === 0) await sleep(5);
      await user[Symbol.asyncDispose]();
    })();
    await expect(hung).rejects.toThrow("SIGKILL");
    await killed;
  });

  test.for([{}, { after: true }] as const)("crashes the process %o", async (when) => {
    shim.set({ fn: "C_GenerateKey", times: 1, crash: true, ...when });
    const label = "after" in when ? "crashed after" : "crashed before";
    await expect(user.use({ does: "makeTokenKey", label })).rejects.toThrow("SIGSEGV");
    expect(await user.ended).toBe("SIGSEGV");
    await using next = await startTokenUser(token, shim);
    const [keys] = await next.use({ does: "tokenKeys" });
    expect(String(keys?.value).includes(label)).toBe("after" in when);
  });

  test("slows each call down, and may do so beside another fault", async () => {
    shim.set({ fn: "*", delayUs: 10_000 }, { fn: "C_GenerateRandom", times: 1, rv: CKR_DEVICE_ERROR });
    const started = performance.now();
    expect(await codes({ does: "random", times: 20 })).toEqual([CKR_DEVICE_ERROR, ...Array(19).fill(0)]);
    expect(performance.now() - started).toBeGreaterThanOrEqual(200);
  });

  test("hides a mechanism, and refuses it", async () => {
    const listed = async (): Promise<unknown> => (await user.use({ does: "mechanisms" }))[0]?.value;
    const all = (await listed()) as readonly number[];
    expect(all).toContain(SOFTHSM_KWP);
    shim.set({ hide: SOFTHSM_KWP });
    expect(await listed()).toEqual(all.filter((type) => type !== SOFTHSM_KWP));
    expect(await codes({ does: "wrap" })).toEqual([CKR_MECHANISM_INVALID]);
    shim.clear();
    expect(await listed()).toEqual(all);
    expect(await codes({ does: "wrap" })).toEqual([0]);
  });

  test("flips one bit of a wrapped key, and says nothing", async () => {
    shim.set({ flip: "C_WrapKey", rate: 10 });
    const flipped = await user.use({ does: "wrap", times: 100 });
    expect(flipped.every(({ rv }) => rv === 0)).toBe(true);
    expect(flipped.filter(({ value }) => value === 1)).toHaveLength(10);
    expect(flipped.filter(({ value }) => value === 0)).toHaveLength(90);
    shim.clear();
    expect(await user.use({ does: "wrap" })).toEqual([{ rv: 0, value: 0 }]);
  });

  test.skipIf(isWithout("nss"))("stands before another module as well", async () => {
    using nss = nssToken();
    using before = shimFor(nss);
    await using of = await startTokenUser(nss, before);
    before.set({ fn: "C_WrapKey", rate: 10, rv: CKR_DEVICE_ERROR });
    expect(await failures({ does: "wrap", times: 100 }, of)).toBe(10);
    before.clear();
    expect(await of.use({ does: "wrap" })).toEqual([{ rv: 0, value: 0 }]);
  });
});
