import { existsSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CryptoUnit } from "../../packages/server/src/core/unit/crypto-unit.ts";
import { prepareCurrent, refusal } from "../contracts/crypto-unit-contract.ts";
import { isWithout } from "../set-up/without.ts";
import { ShimmedToken, UnitAtWork } from "./shimmed-unit.ts";

/** A token locks after a few wrong PINs. Whoever meets the refusal, it is the last try until an operator has looked. */
const CKR_SESSION_HANDLE_INVALID = 0xb3;
const REFUSALS = { CKR_PIN_INCORRECT: 0xa0, CKR_PIN_LOCKED: 0xa4 } as const;

describe.skipIf(isWithout("softhsm2")).each(Object.entries(REFUSALS))("%s from C_Login", (_, rv) => {
  let shimmed: ShimmedToken;
  const opened: CryptoUnit[] = [];
  beforeEach(async () => {
    shimmed = await ShimmedToken.make();
  });
  afterEach(async () => {
    for (const unit of opened.splice(0)) await unit.close();
    shimmed[Symbol.dispose]();
  });

  /** How often a PIN is tried from now on. */
  const tries = (): (() => number) => {
    const before = shimmed.shim.calls("C_Login");
    return () => shimmed.shim.calls("C_Login") - before;
  };
  const open = async (): Promise<CryptoUnit> => {
    const unit = await shimmed.open();
    opened.push(unit);
    return unit;
  };
  const expectRemembered = async (): Promise<void> => {
    const count = tries();
    expect(existsSync(shimmed.latch)).toBe(true);
    expect(await refusal(shimmed.open())).toBe("unit-pin-wrong");
    expect(count()).toBe(0);
    shimmed.shim.clear();
    expect(await refusal(shimmed.open())).toBe("unit-pin-wrong");
    expect(count()).toBe(0);
    rmSync(shimmed.latch);
    const again = await open();
    using byte = await again.materials.random(1);
    expect(byte.lengthBytes).toBe(1);
  };

  test("when the unit is attached: the one who looks tries it, and no host", async () => {
    const count = tries();
    shimmed.shim.set({ fn: "C_Login", rv });
    expect(await refusal(shimmed.open())).toBe("unit-pin-wrong");
    expect(count()).toBe(1);
    await expectRemembered();
  });

  test("when hosts start, after the one who looks has logged in", async () => {
    const count = tries();
    const unit = refusal(shimmed.open());
    while (count() === 0) await sleep(1);
    shimmed.shim.set({ fn: "C_Login", rv });
    expect(await unit).toBe("unit-pin-wrong");
    expect(count()).toBe(2);
    await expectRemembered();
  });

  test("when hosts have lost their sessions, all at once: the first one tries it, and the unit answers no more", async () => {
    const unit = await open();
    const work = await UnitAtWork.of(unit);
    const count = tries();
    shimmed.shim.set(
      { fn: "C_Login", rv },
      { fn: "C_EncryptInit", rv: CKR_SESSION_HANDLE_INVALID },
      { fn: "C_SignInit", rv: CKR_SESSION_HANDLE_INVALID },
    );
    const { failures } = await work.underLoad(300);
    expect(failures.length).toBeGreaterThan(100);
    for (const error of failures) expect(error).toMatchObject({ code: "unit-unreachable" });
    shimmed.shim.clear();
    expect(await refusal(unit.materials.random(1))).toBe("unit-unreachable");
    expect(await refusal(unit.registers.read())).toBe("unit-unreachable");
    expect(count()).toBe(1);
    expect(shimmed.said.join("\n")).toMatch(/all unit hosts are stopped: .* refuse[sd] the PIN/);
    await unit.close();
    await expectRemembered();
  });

  test("when a host that crashed is replaced", async () => {
    const unit = await open();
    await prepareCurrent(unit);
    const count = tries();
    shimmed.shim.set({ fn: "C_Login", rv }, { fn: "C_GenerateRandom", times: 1, crash: true });
    await refusal(unit.materials.random(1));
    while (shimmed.said.length < 2) await sleep(1);
    expect(await refusal(unit.materials.random(1))).toBe("unit-unreachable");
    expect(count()).toBe(1);
    await unit.close();
    await expectRemembered();
  });
});
