import { randomBytes } from "node:crypto";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { RegisterReading } from "../../packages/server/src/core/unit/registers.ts";
import { isWithout } from "../set-up/without.ts";
import type { RegisterHost } from "./register-host.ts";
import { startRegisterHost } from "./register-host.ts";
import type { TokenSoftwareName } from "./token-software.ts";
import type { TestToken } from "./tokens.ts";
import { nssToken, softHsmToken } from "./tokens.ts";

/** What no command leaves in a token is damage: it is named, and neither reading nor a command changes anything then. */
const OURS = "claviger default WK";
const GENERATE = { type: "WK", verb: "generate" } as const;

const DAMAGES: readonly (readonly [string, (host: RegisterHost) => Promise<unknown>])[] = [
  ["the wrapping key of CURRENT is missing", (host) => host.call("lose", `${OURS} CURRENT 2`)],
  ["the wrapping key of OLD is missing", (host) => host.call("lose", `${OURS} OLD 1`)],
  ["a MAC key is missing", (host) => host.call("lose", `${OURS} MAC held`)],
  [
    "a wrapping key is there twice, with another id",
    (host) => host.call("duplicate", `${OURS} CURRENT 2`, randomBytes(17)),
  ],
  [
    "a MAC key is there twice, with another id",
    (host) => host.call("duplicate", `${OURS} MAC held`, randomBytes(17)),
  ],
  [
    "two CURRENT of the same generation",
    (host) => host.call("relabel", `${OURS} OLD 1`, `${OURS} CURRENT 2`),
  ],
  ["OLD of a later generation", (host) => host.call("relabel", `${OURS} OLD 1`, `${OURS} OLD 4`)],
  ["NEW of an earlier generation", (host) => host.call("relabel", `${OURS} CURRENT 2`, `${OURS} CURRENT 5`)],
  ["two NEW", (host) => host.call("relabel", `${OURS} CURRENT 2`, `${OURS} NEW 2`)],
  ["two OLD without CURRENT", (host) => host.call("relabel", `${OURS} CURRENT 2`, `${OURS} OLD 2`)],
  [
    "three CURRENT",
    async (host) => {
      await host.call("relabel", `${OURS} NEW-uncommitted 3`, `${OURS} CURRENT 3`);
      await host.call("relabel", `${OURS} OLD 1`, `${OURS} CURRENT 1`);
    },
  ],
  ["a generation that is none", (host) => host.call("relabel", `${OURS} CURRENT 2`, `${OURS} CURRENT 0x2`)],
  ["a register that is none", (host) => host.call("relabel", `${OURS} CURRENT 2`, `${OURS} NEXT 2`)],
  [
    "a state of a MAC key that is none",
    (host) => host.call("relabel", `${OURS} MAC held`, `${OURS} MAC lost`),
  ],
  ["somebody's key with a label of ours and no id", (host) => host.call("addForeign", `${OURS} NEW 9`)],
];

const FOREIGN: readonly (readonly [string, (host: RegisterHost) => Promise<unknown>])[] = [
  ["another application's key", (host) => host.call("addForeign", "MKEK", { ID: randomBytes(8) })],
  [
    "a key of another group",
    (host) => host.call("addForeign", "claviger payments WK CURRENT 7", { ID: randomBytes(17) }),
  ],
  [
    "a key of another type",
    (host) => host.call("addForeign", "claviger default AES CURRENT 7", { ID: randomBytes(17) }),
  ],
  [
    "a key with a label of ours that anybody can make without the PIN",
    (host) => host.call("addForeign", `${OURS} CURRENT 9`, { ID: randomBytes(17), PRIVATE: false }),
  ],
];

const softwares: readonly (readonly [TokenSoftwareName, () => TestToken])[] = [
  ["softhsm2", softHsmToken],
  ["nss", nssToken],
];

for (const [software, make] of softwares) {
  describe.skipIf(isWithout(software))(`damage of a token of ${software}`, () => {
    let host: RegisterHost;
    let whole: RegisterReading;
    beforeAll(async () => {
      const token = make();
      host = await startRegisterHost(token);
      return async () => {
        await host[Symbol.asyncDispose]();
        token[Symbol.dispose]();
      };
    });
    beforeEach(async () => {
      await host.call("wipe");
      for (const verb of ["set-immediate", "activate"] as const) {
        const vp = (await host.call("execute", GENERATE)).NEW.vp ?? "";
        await host.call("execute", { type: "WK", verb: "commit", vp });
        await host.call("execute", { type: "WK", verb, vp });
      }
      whole = await host.call("execute", GENERATE);
    });

    test.for(DAMAGES)("is named: %s", async ([, damage]) => {
      await damage(host);
      const lying = await host.call("labels");
      const { NEW } = whole;
      await expect(host.call("read")).rejects.toMatchObject({ code: "unit-token-damaged" });
      for (const command of [GENERATE, { type: "WK", verb: "commit", vp: NEW.vp ?? "" } as const])
        await expect(host.call("execute", command)).rejects.toMatchObject({ code: "unit-token-damaged" });
      expect(await host.call("labels")).toEqual(lying);
    });

    test.for(FOREIGN)("is not: %s", async ([, add]) => {
      await add(host);
      const lying = await host.call("labels");
      expect(await host.call("read")).toEqual(whole);
      expect(await host.call("labels")).toEqual(lying);
      await host.call("execute", { type: "WK", verb: "commit", vp: whole.NEW.vp ?? "" });
      const foreign = (labels: readonly string[]) =>
        labels.filter((label) => !/ (NEW|NEW-uncommitted) 3$/.test(label));
      expect(foreign(await host.call("labels"))).toEqual(foreign(lying));
    });
  });
}
