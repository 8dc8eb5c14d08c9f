import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FailureCode } from "../../packages/server/src/core/errors.ts";
import { isFailure } from "../../packages/server/src/core/errors.ts";
import type { KekId, ProjectId, Vp } from "../../packages/server/src/core/ids.ts";
import type { KekBatchRow } from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { RegisterCommand, RegisterReading } from "../../packages/server/src/core/unit/registers.ts";
import { isWithout } from "../set-up/without.ts";
import type { RegisterHost } from "./register-host.ts";
import { startRegisterHost } from "./register-host.ts";
import type { CryptokiFunction, Shim } from "./shim.ts";
import { shimFor } from "./shim.ts";
import type { TokenSoftwareName } from "./token-software.ts";
import type { TestToken } from "./tokens.ts";
import { copyToken, nssToken, softHsmToken } from "./tokens.ts";

/** A register command is done or not done, whatever it is interrupted by, and repeating it does no harm. */
const CKR_FUNCTION_FAILED = 0x06;
const CKR_DEVICE_ERROR = 0x30;
const TYPE = "WK";

/** Those that change what lies in a token. */
const CHANGING = [
  "C_GenerateKey",
  "C_CopyObject",
  "C_SetAttributeValue",
  "C_DestroyObject",
] as const satisfies readonly CryptokiFunction[];

interface Case {
  readonly name: string;
  /** Verbs that lead to the registers before the command. */
  readonly before: readonly Verb[];
  readonly verb: Verb;
}
type Verb = RegisterCommand["verb"] | "clear NEW" | "clear OLD";

const FIRST = ["generate", "commit", "set-immediate"] as const;
const SECOND = [...FIRST, "generate", "commit", "activate"] as const;
const CASES: readonly Case[] = [
  { name: "generate the first", before: [], verb: "generate" },
  { name: "generate beside CURRENT and OLD", before: SECOND, verb: "generate" },
  { name: "commit", before: [...SECOND, "generate"], verb: "commit" },
  { name: "set-immediate", before: ["generate", "commit"], verb: "set-immediate" },
  { name: "activate without OLD", before: [...FIRST, "generate", "commit"], verb: "activate" },
  { name: "activate with OLD", before: [...SECOND, "generate", "commit"], verb: "activate" },
  { name: "clear NEW", before: [...SECOND, "generate"], verb: "clear NEW" },
  { name: "clear OLD", before: SECOND, verb: "clear OLD" },
  { name: "recall-old", before: SECOND, verb: "recall-old" },
];

function commandOf(verb: Verb, { NEW, OLD }: RegisterReading): RegisterCommand {
  const [fresh, old] = [NEW.vp ?? "", OLD.vp ?? ""];
  if (verb === "clear NEW") return { type: TYPE, verb: "clear", register: "NEW", vp: fresh };
  if (verb === "clear OLD") return { type: TYPE, verb: "clear", register: "OLD", vp: old };
  if (verb === "generate" || verb === "clear") return { type: TYPE, verb: "generate" };
  return { type: TYPE, verb, vp: verb === "recall-old" ? old : fresh };
}

interface Prepared {
  readonly before: RegisterReading;
  readonly command: RegisterCommand;
  /** A KEK under each master key that is committed. */
  readonly keks: readonly { readonly vp: Vp; readonly row: KekBatchRow }[];
}

/** Brings the registers to where the case begins, from wherever they are. */
async function prepare(host: RegisterHost, { before, verb }: Case): Promise<Prepared> {
  await host.call("wipe");
  let reading = await host.call("read");
  for (const each of before) reading = await host.call("execute", commandOf(each, reading));
  const { NEW, CURRENT, OLD } = reading;
  const vps = [CURRENT.vp, OLD.vp, NEW.state === "full committed" ? NEW.vp : undefined];
  const keks: { vp: Vp; row: KekBatchRow }[] = [];
  for (const vp of vps) {
    if (vp === undefined) continue;
    const row = { projectId: randomUUID() as ProjectId, kekId: randomUUID() as KekId };
    const { kcv, wrapped } = await host.call("createKek", row, [vp]);
    keks.push({ vp, row: { ...row, kcv, blob: wrapped[0]?.blob ?? new Uint8Array(0) } });
  }
  await host.call("forget");
  return { before: reading, command: commandOf(verb, reading), keks };
}

/** What a command leads to; the pattern of a new master key is any other one. */
function isAfter(found: RegisterReading, { before, command }: Prepared): boolean {
  const { NEW, CURRENT, OLD } = before;
  const empty = { NEW: { state: "empty", vp: undefined }, held: { state: "empty", vp: undefined } } as const;
  const valid = (vp: Vp | undefined) => ({ state: "valid", vp });
  const full = (state: string, vp: Vp | undefined) => ({ state, vp });
  const others = [NEW.vp, CURRENT.vp, OLD.vp];
  const fresh = found.NEW.vp;
  const expected = {
    generate: () =>
      fresh !== undefined && !others.includes(fresh)
        ? { NEW: full("full uncommitted", fresh), CURRENT, OLD }
        : undefined,
    commit: () => ({ NEW: full("full committed", NEW.vp), CURRENT, OLD }),
    "set-immediate": () => ({ NEW: empty.NEW, CURRENT: valid(NEW.vp), OLD }),
    activate: () => ({ NEW: empty.NEW, CURRENT: valid(NEW.vp), OLD: valid(CURRENT.vp) }),
    clear: () =>
      command.verb === "clear" && command.register === "NEW"
        ? { NEW: empty.NEW, CURRENT, OLD }
        : { NEW, CURRENT, OLD: empty.held },
    "recall-old": () => ({ NEW: full("full uncommitted", OLD.vp), CURRENT, OLD }),
  }[command.verb]();
  return expected !== undefined && isSame(found, { ...expected, type: TYPE });
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value ?? "none";
  const keys = ["type", "NEW", "CURRENT", "OLD", "state", "vp"].filter((key) => key in value);
  return keys.map((key) => [key, sorted(Reflect.get(value, key))]);
}

/**
 * The registers are those before or after the command, reading changes nothing, KEKs open, the command may be repeated, and
 * then nothing lies in the token that is in no register.
 */
async function expectWhole(host: RegisterHost, prepared: Prepared): Promise<"before" | "after"> {
  const { before, command, keks } = prepared;
  const lying = await host.call("labels");
  const found = await host.call("read");
  expect(await host.call("labels")).toEqual(lying);
  const state = isSame(found, before) ? "before" : "after";
  if (state === "after") expect(found, JSON.stringify(before)).toSatisfy(() => isAfter(found, prepared));
  const held = [found.NEW.vp, found.CURRENT.vp, found.OLD.vp];
  for (const { vp, row } of keks)
    if (held.includes(vp))
      expect(await host.call("verify", [row], vp, ["NEW", "CURRENT", "OLD"])).toEqual(["opened"]);
  await host.call("forget");
  const repeated = await outcomeOf(host.call("execute", command));
  expect(repeated).toBe(state === "before" ? "done" : repeatedOf(command));
  const last = await host.call("read");
  expect(last).toSatisfy(() => isAfter(last, prepared));
  const whole = (await host.call("labels")).filter((label) => label.startsWith("claviger default WK"));
  const count = [last.NEW.vp, last.CURRENT.vp, last.OLD.vp].filter((vp) => vp !== undefined).length;
  expect(whole.filter((label) => label.endsWith("MAC held"))).toHaveLength(count);
  expect(whole).toHaveLength(2 * count);
  expect(await host.call("sessionObjects")).toBe(0);
  return state;
}

/** To commit twice is to commit; everything else is not possible a second time. */
function repeatedOf({ verb }: RegisterCommand): string {
  return verb === "commit" ? "done" : ("register-state" satisfies FailureCode);
}

async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    return isFailure(error) ? error.code : String(error);
  }
}

const WHEN = [
  { when: "before", more: {}, rv: CKR_FUNCTION_FAILED },
  { when: "after", more: { after: true }, rv: CKR_DEVICE_ERROR },
] as const;

describe.skipIf(isWithout("softhsm2"))("master keys on SoftHSM, when the process ends in the middle", () => {
  let token: TestToken;
  beforeAll(() => {
    token = softHsmToken();
    return () => token[Symbol.dispose]();
  });

  test.for(CASES)("$name", { timeout: 120_000 }, async (one) => {
    await using preparing = await startRegisterHost(token);
    const prepared = await prepare(preparing, one);
    const states = new Set<string>();
    for (const { more } of WHEN)
      for (const fn of CHANGING) {
        for (let skip = 0; ; skip += 1) {
          using copy = copyToken(token);
          using shim = shimFor(copy);
          await using host = await startRegisterHost(copy, shim);
          shim.set({ fn, crash: true, times: 1, skip, ...more });
          const outcome = await outcomeOf(host.call("execute", prepared.command));
          const isMet = shim.injected() > 0;
          expect(outcome).toContain(isMet ? "SIGSEGV" : "done");
          if (!isMet) break;
          await using next = await startRegisterHost(copy);
          states.add(await expectWhole(next, prepared));
        }
      }
    expect(states).toEqual(new Set(["before", "after"]));
  });
});

const softwares: readonly (readonly [
  TokenSoftwareName,
  () => TestToken,
  readonly (CryptokiFunction | "*")[],
])[] = [
  ["softhsm2", softHsmToken, ["*"]],
  // Each change of an NSS database takes its time.
  ["nss", nssToken, CHANGING],
];

for (const [software, make, functions] of softwares) {
  describe.skipIf(isWithout(software))(`master keys on ${software}, when a call fails in the middle`, () => {
    let token: TestToken;
    let shim: Shim;
    let host: RegisterHost;
    beforeAll(async () => {
      token = make();
      shim = shimFor(token);
      host = await startRegisterHost(token, shim);
    });
    afterAll(async () => {
      await host[Symbol.asyncDispose]();
      shim[Symbol.dispose]();
      token[Symbol.dispose]();
    });

    test.for(CASES)("$name", { timeout: 120_000 }, async (one) => {
      const states = new Set<string>();
      for (const { more, rv } of WHEN)
        for (const fn of functions) {
          for (let skip = 0; ; skip += 1) {
            shim.clear();
            const prepared = await prepare(host, one);
            const met = shim.injected();
            shim.set({ fn, rv, times: 1, skip, ...more });
            const outcome = await outcomeOf(host.call("execute", prepared.command));
            shim.clear();
            const isMet = shim.injected() > met;
            if (!isMet) expect(outcome).toBe("done");
            if (!isMet) break;
            // The daemon asks once more where an operation was left begun in the session.
            await outcomeOf(host.call("read"));
            states.add(await expectWhole(host, prepared));
          }
        }
      expect(states).toEqual(new Set(["before", "after"]));
    });
  });
}
