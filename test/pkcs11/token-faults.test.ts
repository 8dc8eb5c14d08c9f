import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isFailure } from "../../packages/server/src/core/errors.ts";
import type { CryptoUnit } from "../../packages/server/src/core/unit/crypto-unit.ts";
import { isWithout } from "../set-up/without.ts";
import type { Fault } from "./shim.ts";
import { DEADLINES_MS, ShimmedToken, UnitAtWork } from "./shimmed-unit.ts";

/*
 * A unit whose token fails, under load: whoever asks is told that the unit does not answer, and never anything wrong, nor that
 * it is the ciphertext or the key that is at fault; and it serves soon after the fault has ended, what was open before included.
 */
const CODES = {
  CKR_HOST_MEMORY: 0x02,
  CKR_GENERAL_ERROR: 0x05,
  CKR_FUNCTION_FAILED: 0x06,
  CKR_DEVICE_ERROR: 0x30,
  CKR_DEVICE_REMOVED: 0x32,
  CKR_SESSION_HANDLE_INVALID: 0xb3,
  CKR_TOKEN_NOT_PRESENT: 0xe0,
  CKR_USER_NOT_LOGGED_IN: 0x101,
} as const;
/** Tokens say these of bytes that they refuse, too. */
const AMBIGUOUS = ["CKR_GENERAL_ERROR", "CKR_FUNCTION_FAILED"] as const;
/** And what is said of a token without them. */
const MECHANISMS = {
  "AES-KWP": [0x21_0a, "AES key wrap with padding (RFC 5649): "],
  "AES-GCM": [0x10_87, "AES-256-GCM: no CKM_AES_GCM (0x1087)."],
  "derivation by AES-CBC": [
    0x11_05,
    "AES-256-GCM by keys derived inside: no CKM_AES_CBC_ENCRYPT_DATA (0x1105).",
  ],
} as const;
const RATES = [1, 10, 100] as const;

const BACK_WITHIN_MS = 5_000;
const LOAD_MS = 250;

type Case = readonly [name: string, fault: Fault];
const returned: readonly Case[] = RATES.flatMap((rate) =>
  Object.entries(CODES).map(([name, rv]): Case => [`${name} from ${rate} % of calls`, { fn: "*", rate, rv }]),
);
const ambiguous: readonly Case[] = RATES.flatMap((rate) =>
  AMBIGUOUS.flatMap((name) =>
    (["C_UnwrapKey", "C_Decrypt"] as const).map((fn): Case => [
      `${name} from ${rate} % of ${fn}, which has done it`,
      { fn, rate, rv: CODES[name], after: true },
    ]),
  ),
);
const broken: readonly Case[] = RATES.flatMap((rate): Case[] => [
  [`SIGSEGV at ${rate} % of calls`, { fn: "*", rate, crash: true }],
  [`${rate} % of calls hang`, { fn: "*", rate, hang: true }],
  [`one bit flipped in ${rate} % of wrapped keys`, { flip: "C_WrapKey", rate }],
]);
const missing: readonly Case[] = Object.entries(MECHANISMS).map(([name, [hide]]): Case => [
  `no ${name}`,
  { hide },
]);

describe.skipIf(isWithout("softhsm2"))(
  "a unit whose token fails serves again, and says nothing wrong:",
  () => {
    let shimmed: ShimmedToken;
    let unit: CryptoUnit;
    let work: UnitAtWork;
    beforeAll(async () => {
      shimmed = await ShimmedToken.make();
      unit = await shimmed.open();
      work = await UnitAtWork.of(unit);
    });
    afterAll(async () => {
      await unit.close();
      shimmed[Symbol.dispose]();
    });

    /** The time until all that a unit is asked works again. */
    const backAfterMs = async (): Promise<number> => {
      const startedMs = performance.now();
      for (;;) {
        try {
          await work.round();
          return performance.now() - startedMs;
        } catch (error) {
          if (!isFailure(error, "unit-unreachable") || performance.now() - startedMs > 4 * BACK_WITHIN_MS)
            throw error;
        }
      }
    };

    test.each([...returned, ...ambiguous, ...broken, ...missing])("%s", async (_, fault) => {
      const before = shimmed.shim.injected();
      shimmed.shim.set(fault);
      const { failures } = await work.underLoad(LOAD_MS);
      if (!("hide" in fault)) expect(shimmed.shim.injected()).toBeGreaterThan(before);
      shimmed.shim.clear();
      const backMs = await backAfterMs();
      expect(failures.filter((error) => !isFailure(error, "unit-unreachable"))).toEqual([]);
      expect(backMs).toBeLessThan(BACK_WITHIN_MS);
      if ("hide" in fault || fault.rate === 100) expect(failures.length).toBeGreaterThan(0);
      await work.prove();
    });

    test("a hang of every host, which ends for nobody: they are killed at the deadline and replaced", async () => {
      shimmed.said.length = 0;
      shimmed.shim.set({ fn: "C_GenerateRandom", times: 2, hang: true });
      const asked = await Promise.allSettled([unit.materials.random(1), unit.materials.random(1)]);
      for (const each of asked)
        if (each.status === "rejected") expect(each.reason).toMatchObject({ code: "unit-unreachable" });
      const backMs = await backAfterMs();
      expect(backMs).toBeLessThan(BACK_WITHIN_MS + DEADLINES_MS.quick);
      expect(shimmed.said).toEqual(
        Array.from({ length: 2 }, () => expect.stringContaining("did not answer in time and was ended")),
      );
      shimmed.shim.clear();
    });

    test("an outage so long that hosts are replaced", async () => {
      shimmed.shim.set({ fn: "*", rv: CODES.CKR_DEVICE_ERROR });
      const { failures, done } = await work.underLoad(3_000);
      shimmed.shim.clear();
      const backMs = await backAfterMs();
      expect(shimmed.said.join()).toContain("could not mend its session");
      expect(done).toBe(0);
      expect(failures.filter((error) => !isFailure(error, "unit-unreachable"))).toEqual([]);
      expect(backMs).toBeLessThan(BACK_WITHIN_MS);
    });

    test.each(Object.entries(MECHANISMS))("a token without %s is not attached", async (_, [hide, said]) => {
      using without = await ShimmedToken.make();
      without.shim.set({ hide });
      const refused = await without.open().catch((error: unknown) => error);
      if (!isFailure(refused)) throw refused;
      expect([refused.code, refused.message]).toEqual(["unit-lacks-ability", expect.stringContaining(said)]);
      expect(refused.message).toMatch(/^the token cannot be a crypto unit: .+\.$/);
    });
  },
);
