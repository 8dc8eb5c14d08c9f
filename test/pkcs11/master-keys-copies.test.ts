import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isFailure } from "../../packages/server/src/core/errors.ts";
import { FieldReader, FieldWriter } from "../../packages/server/src/core/fields.ts";
import type { UnitAddress, Vp } from "../../packages/server/src/core/ids.ts";
import type { CloneRoute } from "../../packages/server/src/core/crypto/master-key-clone.ts";
import { isWithout } from "../set-up/without.ts";
import type { RegisterHost } from "./register-host.ts";
import { startRegisterHost } from "./register-host.ts";
import type { CryptokiFunction } from "./shim.ts";
import { shimFor } from "./shim.ts";
import type { TokenSoftwareName } from "./token-software.ts";
import type { TestToken } from "./tokens.ts";
import { copyToken, nssToken, softHsmToken } from "./tokens.ts";

/** Master keys that come from another token, pinned keys and a unit's own key: done or not done, and nothing lost. */
const CKR_FUNCTION_FAILED = 0x06;
const [SENDER, RECIPIENT] = ["01.0000" as UnitAddress, "02.0000" as UnitAddress];
const WHEN = [{}, { after: true }] as const;

async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    return isFailure(error) ? error.code : String(error);
  }
}

/** A token that is a unit with CURRENT and OLD, one that is an empty unit, and the copies on their way. */
class Pair {
  readonly sender: TestToken;
  readonly recipient: TestToken;
  keyOfSender: Uint8Array = new Uint8Array(0);
  readonly copies: { readonly route: CloneRoute; readonly wrapped: Uint8Array }[] = [];

  constructor(make: () => TestToken) {
    this.sender = make();
    this.recipient = make();
  }

  async fill(): Promise<void> {
    await using from = await startRegisterHost(this.sender);
    await using to = await startRegisterHost(this.recipient);
    this.keyOfSender = await from.call("createUnitKey");
    await from.call("pin", { address: RECIPIENT, publicKey: await to.call("createUnitKey") });
    const vps: Vp[] = [];
    for (const verb of ["set-immediate", "activate"] as const) {
      const { NEW } = await from.call("execute", { type: "WK", verb: "generate" });
      const vp = NEW.vp as Vp;
      await from.call("execute", { type: "WK", verb: "commit", vp });
      await from.call("execute", { type: "WK", verb, vp });
      vps.unshift(vp);
    }
    for (const [i, register] of (["CURRENT", "OLD"] as const).entries()) {
      const request = { type: "WK", register, vp: vps[i] as Vp, form: "2-sha1" } as const;
      const route = { sender: SENDER, recipient: RECIPIENT, request };
      this.copies.push({ route, wrapped: await from.call("export", route) });
    }
  }

  get current() {
    const [copy] = this.copies;
    if (!copy) throw new Error("nothing was copied");
    return copy;
  }

  [Symbol.dispose](): void {
    this.sender[Symbol.dispose]();
    this.recipient[Symbol.dispose]();
  }
}

/** The registers are empty or hold the copy; to bring it once more and OLD behind it leaves both pairs, and nothing else. */
async function expectBrought(host: RegisterHost, { copies, current }: Pair): Promise<string> {
  const { NEW, CURRENT, OLD } = await host.call("read");
  expect([NEW.state, OLD.state]).toEqual(["empty", "empty"]);
  expect([undefined, current.route.request.vp]).toContain(CURRENT.vp);
  for (const { route, wrapped } of copies) {
    const reading = await host.call("import", route, wrapped);
    expect(reading[route.request.register].vp).toBe(route.request.vp);
  }
  const labels = (await host.call("labels")).filter((label) => label.includes(" WK "));
  expect(labels.map((label) => label.split(" ").slice(3).join(" "))).toEqual([
    "CURRENT 2",
    "MAC held",
    "MAC held",
    "OLD 1",
  ]);
  expect(await host.call("sessionObjects")).toBe(0);
  return CURRENT.state;
}

const CHANGING = [
  "C_UnwrapKey",
  "C_CopyObject",
  "C_SetAttributeValue",
  "C_DestroyObject",
] as const satisfies readonly CryptokiFunction[];

const softwares: readonly (readonly [TokenSoftwareName, () => TestToken])[] = [
  ["softhsm2", softHsmToken],
  ["nss", nssToken],
];

// Each change of an NSS database takes its time: processes end with SoftHSM only.
describe.skipIf(isWithout("softhsm2"))("copies of master keys on SoftHSM, when the process ends", () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = new Pair(softHsmToken);
    await pair.fill();
    return () => pair[Symbol.dispose]();
  }, 120_000);

  test("a copy is brought or not, when the process ends in the middle", { timeout: 120_000 }, async () => {
    const { route, wrapped } = pair.current;
    const states = new Set<string>();
    for (const when of WHEN)
      for (const fn of CHANGING)
        for (let skip = 0; ; skip += 1) {
          using copy = copyToken(pair.recipient);
          using shim = shimFor(copy);
          await using host = await startRegisterHost(copy, shim);
          shim.set({ fn, crash: true, times: 1, skip, ...when });
          const outcome = await outcomeOf(host.call("import", route, wrapped));
          const isMet = shim.injected() > 0;
          expect(outcome).toContain(isMet ? "SIGSEGV" : "done");
          if (!isMet) break;
          await using next = await startRegisterHost(copy);
          states.add(await expectBrought(next, pair));
        }
    expect(states).toEqual(new Set(["empty", "valid"]));
  });
});

for (const [software, make] of softwares) {
  describe.skipIf(isWithout(software))(`copies of master keys on ${software}`, () => {
    let pair: Pair;
    beforeAll(async () => {
      pair = new Pair(make);
      await pair.fill();
      return () => pair[Symbol.dispose]();
    }, 120_000);

    describe("with a process that goes on", () => {
      let host: RegisterHost;
      let shim: ReturnType<typeof shimFor>;
      beforeEach(async () => {
        const copy = copyToken(pair.recipient);
        shim = shimFor(copy);
        host = await startRegisterHost(copy, shim);
        return async () => {
          await host[Symbol.asyncDispose]();
          shim[Symbol.dispose]();
          copy[Symbol.dispose]();
        };
      });

      test("a copy is brought or not, when a call fails in the middle", { timeout: 120_000 }, async () => {
        const { route, wrapped } = pair.current;
        const states = new Set<string>();
        for (const fn of CHANGING)
          for (let skip = 0; ; skip += 1) {
            const met = shim.injected();
            shim.set({ fn, rv: CKR_FUNCTION_FAILED, times: 1, skip });
            const outcome = await outcomeOf(host.call("import", route, wrapped));
            shim.clear();
            if (shim.injected() === met) {
              expect(outcome).toBe("done");
              await host.call("wipe");
              break;
            }
            // A key whose destruction fails is left in the session until it ends.
            if (fn !== "C_DestroyObject") {
              expect(await host.call("sessionObjects")).toBe(0);
              states.add(await expectBrought(host, pair));
            }
            await host.call("wipe");
          }
        expect(states).toEqual(new Set(["empty", "valid"]));
      });

      test("what is no copy is refused with one word, and leaves nothing", async () => {
        const { route, wrapped } = pair.current;
        const lying = await host.call("labels");
        for (const changed of changesOf(wrapped)) {
          await expect(host.call("import", route, changed)).rejects.toMatchObject({
            code: "ciphertext-refused",
          });
          expect(await host.call("sessionObjects")).toBe(0);
        }
        expect(await host.call("labels")).toEqual(lying);
        await host.call("import", route, wrapped);
      });

      test("of a pin that was interrupted the former key or none counts, and it may be repeated", async () => {
        const own = await host.call("unitKey");
        const address = "03.0000" as UnitAddress;
        const { vp } = pair.current.route.request;
        const route = {
          sender: RECIPIENT,
          recipient: address,
          request: { type: "WK", register: "CURRENT", form: "2-sha1", vp },
        } as const;
        await host.call("import", pair.current.route, pair.current.wrapped);
        for (const fn of ["C_CreateObject", "C_DestroyObject"] as const)
          for (const when of WHEN) {
            await host.call("pin", { address, publicKey: own });
            shim.set({ fn, rv: CKR_FUNCTION_FAILED, times: 1, ...when });
            const pinned = host.call("pin", { address, publicKey: pair.keyOfSender });
            expect(await outcomeOf(pinned)).toContain("CKR_FUNCTION_FAILED");
            shim.clear();
            const exported = await outcomeOf(host.call("export", route));
            const isFormer = fn === "C_CreateObject" && !("after" in when);
            const isDone = fn === "C_DestroyObject" && "after" in when;
            expect(exported).toBe(isFormer || isDone ? "done" : "unit-peer-not-pinned");
            await host.call("pin", { address, publicKey: pair.keyOfSender });
            expect(await outcomeOf(host.call("export", route))).toBe("done");
            const pins = (await host.call("labels")).filter((label) => label.endsWith(`PEER ${address}`));
            expect(pins).toHaveLength(1);
          }
      });
    });

    test.for(WHEN)(
      "a unit's key is made once, when the process ends %o",
      { timeout: 120_000 },
      async (when) => {
        using token = make();
        using shim = shimFor(token);
        await using host = await startRegisterHost(token, shim);
        await expect(host.call("unitKey")).rejects.toMatchObject({ code: "unit-missing" });
        shim.set({ fn: "C_GenerateKeyPair", crash: true, times: 1, ...when });
        expect(await outcomeOf(host.call("createUnitKey"))).toContain("SIGSEGV");
        shim.clear();
        await using next = await startRegisterHost(token, shim);
        const is = await outcomeOf(next.call("unitKey"));
        expect(is).toBe("after" in when ? "done" : "unit-missing");
        const made = await next.call("createUnitKey");
        expect(await next.call("createUnitKey")).toEqual(made);
        expect(await next.call("unitKey")).toEqual(made);
        const label = "claviger default UNIT-KEY";
        expect((await next.call("labels")).filter((each) => each === label)).toHaveLength(2);
      },
    );
  });
}

/** The form of clones.ts with one part of it changed, and cut. */
function* changesOf(wrapped: Uint8Array): Generator<Uint8Array> {
  const fields = new FieldReader(wrapped);
  const form = {
    hash: fields.text(),
    generation: fields.count(),
    first: fields.bytes(),
    second: fields.bytes(),
    proof: fields.fixed(32),
  };
  const written = (changes: Partial<typeof form>): Uint8Array => {
    const { hash, generation, first, second, proof } = { ...form, ...changes };
    const writer = new FieldWriter();
    writer.text(hash);
    writer.count(generation);
    writer.bytes(first);
    writer.bytes(second);
    writer.fixed(proof);
    return writer.finish();
  };
  const flipped = (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (i === 9 ? byte ^ 1 : byte));
  for (const hash of ["sha256", "md5", "", "SHA1"]) yield written({ hash });
  for (const generation of [0, 1, form.generation + 1, 2 ** 32 - 1]) yield written({ generation });
  yield written({ first: flipped(form.first) });
  yield written({ second: flipped(form.second) });
  yield written({ first: form.second, second: form.first });
  yield written({ second: form.first });
  yield written({ first: new Uint8Array(0) });
  yield written({ second: new Uint8Array(0) });
  yield written({ proof: flipped(form.proof) });
  for (const length of [0, 3, 4, 8, 11, 12, 100, 396, 400, 784, wrapped.byteLength - 1])
    yield wrapped.subarray(0, length);
  yield Buffer.concat([wrapped, Buffer.of(0)]);
}
