import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import type { Vp } from "../../packages/server/src/core/ids.ts";
import { DEFAULT_TYPE } from "../../packages/server/src/core/ids.ts";
import type {
  CloneForm,
  CloneRequest,
  CryptoUnit,
  PeerKey,
} from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { UnitKind, UnitsForTest } from "./crypto-unit-contract.ts";
import {
  flipped,
  newKek,
  prepareCurrent,
  prepareNew,
  present,
  reading,
  refusal,
} from "./crypto-unit-contract.ts";

const TYPE = DEFAULT_TYPE;

/** How master keys go from one unit to another, and to nobody else; of units that cannot, the refusals. */
export function cloneContract({ name, abilities, make }: UnitKind): void {
  const opened: UnitsForTest[] = [];
  const twoUnits = async (): Promise<readonly [CryptoUnit, CryptoUnit]> => {
    const made = await make(2);
    opened.push(made);
    return [present(made.units[0]), present(made.units[1])];
  };
  afterEach(async () => {
    for (const made of opened.splice(0)) await made.dispose();
  });
  for (const form of abilities.cloneForms) copies(`${name}, form ${form}`, form, twoUnits);
  if (abilities.cloneForms.length === 0) noCopies(name, twoUnits);
}

type TwoUnits = () => Promise<readonly [CryptoUnit, CryptoUnit]>;

function noCopies(name: string, twoUnits: TwoUnits): void {
  describe(`${name}: copies of master keys, which it cannot make`, () => {
    test("pins no peer, exports and imports nothing", async () => {
      const [a, b] = await twoUnits();
      const { address } = a.description;
      const request = { type: TYPE, register: "CURRENT", vp: await prepareCurrent(a), form: "1" } as const;
      expect(await refusal(a.registers.pinPeer(b.description))).toBe("unit-lacks-ability");
      expect(await refusal(a.registers.exportFor(b.description.address, request))).toBe("unit-lacks-ability");
      const imported = b.registers.importFrom(address, request, randomBytes(384));
      expect(await refusal(imported)).toBe("unit-lacks-ability");
      expect((await reading(b)).CURRENT.state).toBe("empty");
    });
  });
}

function copies(name: string, form: CloneForm, twoUnits: TwoUnits): void {
  /** Two units of a group that pin each other's keys. */
  async function peers(): Promise<readonly [CryptoUnit, CryptoUnit]> {
    const [a, b] = await twoUnits();
    await a.registers.pinPeer(b.description);
    await b.registers.pinPeer(a.description);
    return [a, b];
  }

  describe(`${name}: copies of master keys`, () => {
    test("copies CURRENT and NEW to a pinned unit, which then opens the same KEKs; NEW arrives uncommitted", async () => {
      const [a, b] = await peers();
      const current = await prepareCurrent(a);
      const next = await prepareNew(a);
      for (const request of [
        { type: TYPE, register: "CURRENT", vp: current, form },
        { type: TYPE, register: "NEW", vp: next, form },
      ] as const) {
        const wrapped = await a.registers.exportFor(b.description.address, request);
        await b.registers.importFrom(a.description.address, request, wrapped);
        const again = await b.registers.importFrom(a.description.address, request, wrapped);
        expect(again[request.register].vp).toBe(request.vp);
      }
      expect((await reading(b)).NEW.state).toBe("full uncommitted");
      using kek = await b.keks.open(await newKek(a, current));
      expect(kek.unit).toBe(b.description.address);
    });

    test("exports to no key that is not pinned", async () => {
      const [a, b] = await twoUnits();
      const request = { type: TYPE, register: "CURRENT", vp: await prepareCurrent(a), form } as const;
      const { address } = b.description;
      expect(await refusal(a.registers.exportFor(address, request))).toBe("unit-peer-not-pinned");
    });

    test("exports only what the request names", async () => {
      const [a, b] = await peers();
      const vp = await prepareCurrent(a);
      const other = "00".repeat(32) as Vp;
      const ask = (request: CloneRequest) => refusal(a.registers.exportFor(b.description.address, request));
      expect(await ask({ type: TYPE, register: "NEW", vp, form })).toBe("register-state");
      expect(await ask({ type: TYPE, register: "CURRENT", vp: other, form })).toBe(
        "register-pattern-mismatch",
      );
    });

    test("imports nothing whose sender, register, pattern or bytes differ from the request", async () => {
      const [a, b] = await peers();
      const vp = await prepareCurrent(a);
      const request = { type: TYPE, register: "CURRENT", vp, form } as const;
      const wrapped = await a.registers.exportFor(b.description.address, request);
      const from = a.description.address;
      const bring = (...args: Parameters<typeof b.registers.importFrom>) =>
        refusal(b.registers.importFrom(...args));
      expect(await bring(from, { ...request, vp: "00".repeat(32) as Vp }, wrapped)).toBe(
        "ciphertext-refused",
      );
      expect(await bring(from, { ...request, register: "OLD" }, wrapped)).toBe("ciphertext-refused");
      expect(await bring(b.description.address, request, wrapped)).toBe("ciphertext-refused");
      expect(await bring(from, request, flipped(wrapped, 40))).toBe("ciphertext-refused");
      expect(await bring(from, request, wrapped.subarray(1))).toBe("ciphertext-refused");
      expect(await refusal(a.registers.importFrom(from, request, wrapped))).toBe("ciphertext-refused");
      expect((await reading(b)).CURRENT.state).toBe("empty");
    });

    test("imports into no register that holds another master key", async () => {
      const [a, b] = await peers();
      const vp = await prepareCurrent(a);
      const held = await prepareCurrent(b);
      const request = { type: TYPE, register: "CURRENT", vp, form } as const;
      const wrapped = await a.registers.exportFor(b.description.address, request);
      expect(await refusal(b.registers.importFrom(a.description.address, request, wrapped))).toBe(
        "register-state",
      );
      expect((await reading(b)).CURRENT.vp).toBe(held);
    });

    test("pins no key that is not one", async () => {
      const [unit, { description: peer }] = await twoUnits();
      const pin = (key: PeerKey) => unit.registers.pinPeer(key);
      await pin(peer);
      await pin(peer);
      expect(await refusal(pin({ ...peer, publicKey: randomBytes(64) }))).toBe("invalid-request");
      expect(await refusal(pin(unit.description))).toBe("invalid-request");
    });
  });
}
