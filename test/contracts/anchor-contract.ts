import { afterEach, describe, expect, test } from "vitest";
import type { Anchors } from "../../packages/server/src/core/unit/anchors.ts";
import { ANCHORED_CHAINS, ANCHORS_LIMIT_BYTES } from "../../packages/server/src/core/unit/anchors.ts";
import type { CryptoUnit } from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { UnitKind, UnitsForTest } from "./crypto-unit-contract.ts";
import { prepareCurrent, prepareNew, present, reading, refusal } from "./crypto-unit-contract.ts";

export function anchorsOf(mutations: number, chains = 1): Anchors {
  const heads = Array.from({ length: chains }, (_none, i) => ({
    chain: `11111111-2222-4333-8444-555555555555/${String(i).padStart(36, "0")}`,
    seq: mutations,
    hash: "ab".repeat(32),
  }));
  return { store: { epoch: 1, mutations, generations: { "default WK": 3 } }, heads };
}

/** What a unit keeps of the service's data: the last, whole, and by nobody else; of units that keep none, the refusals. */
export function anchorContract({ name, abilities, make }: UnitKind): void {
  const opened: UnitsForTest[] = [];
  const units = async (count: number): Promise<readonly CryptoUnit[]> => {
    const made = await make(count);
    opened.push(made);
    return made.units;
  };
  afterEach(async () => {
    for (const made of opened.splice(0)) await made.dispose();
  });
  if (abilities.keepsAnchors) keeping(name, units);
  else keepingNone(name, units);
}

type Units = (count: number) => Promise<readonly CryptoUnit[]>;

function keepingNone(name: string, units: Units): void {
  describe(`${name}: anchors, which it does not keep`, () => {
    test("neither keeps nor has any", async () => {
      const unit = present((await units(1))[0]);
      expect(await refusal(unit.anchors.keep(anchorsOf(1)))).toBe("unit-lacks-ability");
      expect(await refusal(unit.anchors.read())).toBe("unit-lacks-ability");
    });
  });
}

function keeping(name: string, units: Units): void {
  describe(`${name}: anchors`, () => {
    test("a new unit has kept none, and master keys do not bring any", async () => {
      for (const unit of await units(1)) {
        await prepareCurrent(unit);
        expect(await unit.anchors.read()).toBeUndefined();
      }
    });

    test("gives back what was kept last, as it was", async () => {
      for (const unit of await units(1)) {
        await unit.anchors.keep(anchorsOf(7));
        expect(await unit.anchors.read()).toEqual(anchorsOf(7));
        await unit.anchors.keep(anchorsOf(8, ANCHORED_CHAINS));
        expect(await unit.anchors.read()).toEqual(anchorsOf(8, ANCHORED_CHAINS));
      }
    });

    test("of several that come at once the last stays", async () => {
      for (const unit of await units(1)) {
        await Promise.all([1, 2, 3, 4, 5].map((i) => unit.anchors.keep(anchorsOf(i))));
        expect(await unit.anchors.read()).toEqual(anchorsOf(5));
      }
    });

    test("registers and anchors leave each other alone, whichever comes first", async () => {
      for (const unit of await units(1)) {
        const vp = await prepareCurrent(unit);
        const [, next] = await Promise.all([unit.anchors.keep(anchorsOf(1)), prepareNew(unit)]);
        await unit.anchors.keep(anchorsOf(2));
        expect(await reading(unit)).toMatchObject({ CURRENT: { vp }, NEW: { vp: next } });
        expect(await unit.anchors.read()).toEqual(anchorsOf(2));
      }
    });

    test("another unit has not what one has kept", async () => {
      const [one, ...others] = await units(2);
      await one?.anchors.keep(anchorsOf(1));
      for (const other of others) expect(await other.anchors.read()).toBeUndefined();
    });

    test("refuses what is larger than anchors are, and keeps what it has", async () => {
      for (const unit of await units(1)) {
        await unit.anchors.keep(anchorsOf(1));
        const large = anchorsOf(2, ANCHORS_LIMIT_BYTES / 64);
        expect(await refusal(unit.anchors.keep(large))).toBe("invalid-request");
        expect(await unit.anchors.read()).toEqual(anchorsOf(1));
      }
    });

    test("does nothing after it was closed", async () => {
      const unit = present((await units(1))[0]);
      await unit.close();
      expect(await refusal(unit.anchors.read())).toBe("unit-unreachable");
      expect(await refusal(unit.anchors.keep(anchorsOf(1)))).toBe("unit-unreachable");
    });
  });
}
