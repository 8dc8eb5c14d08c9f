import { afterEach, describe, expect, test } from "vitest";
import { DEFAULT_TYPE } from "../../packages/server/src/core/ids.ts";
import type { UnitAddress } from "../../packages/server/src/core/ids.ts";
import type { CloneForm, CryptoUnit } from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { TokenSoftwareName } from "../pkcs11/token-software.ts";
import { isWithout } from "../set-up/without.ts";
import { newKek, prepareCurrent, prepareNew, present, reading } from "./crypto-unit-contract.ts";
import type { UnitsForTest } from "./crypto-unit-contract.ts";
import { makePkcs11Units } from "./pkcs11-units.ts";
import { makeSoftwareUnits } from "./software-units.ts";

/* Master keys between units of different kinds: what the contract shows of one kind, each pair can do in either direction. */

const TYPE = DEFAULT_TYPE;
const opened: UnitsForTest[] = [];
afterEach(async () => {
  for (const made of opened.splice(0)) await made.dispose();
});

/** The first is a unit at 01.0000, the second at 02.0000. */
async function pairOf(
  token: TokenSoftwareName,
  other: TokenSoftwareName | "software",
): Promise<readonly [CryptoUnit, CryptoUnit]> {
  const first = await makePkcs11Units(1, token);
  opened.push(first);
  const second = await (other === "software" ? makeSoftwareUnits(2) : makePkcs11Units(2, other));
  opened.push(second);
  const [a, b] = [present(first.units[0]), present(second.units[1])];
  await a.registers.pinPeer(b.description);
  await b.registers.pinPeer(a.description);
  return [a, b];
}

async function carry(
  from: CryptoUnit,
  to: CryptoUnit,
  register: "NEW" | "CURRENT",
  form: CloneForm,
): Promise<void> {
  const request = { type: TYPE, register, vp: present((await reading(from))[register].vp), form };
  const wrapped = await from.registers.exportFor(to.description.address, request);
  await to.registers.importFrom(from.description.address, request, wrapped);
}

/** A master-key change whose NEW is made on `from` and copied to `to`. */
async function change(from: CryptoUnit, to: CryptoUnit, form: CloneForm): Promise<void> {
  const { OLD } = await reading(from);
  if (OLD.vp !== undefined)
    for (const { registers } of [from, to])
      await registers.execute({ verb: "clear", register: "OLD", type: TYPE, vp: OLD.vp });
  const vp = await prepareNew(from);
  await carry(from, to, "NEW", form);
  await to.registers.execute({ verb: "commit", type: TYPE, vp });
  for (const { registers } of [from, to]) await registers.execute({ verb: "activate", type: TYPE, vp });
}

const PAIRS: readonly (readonly [TokenSoftwareName, TokenSoftwareName | "software", CloneForm])[] = [
  ["softhsm2", "software", "2-sha1"],
  ["nss", "software", "2-sha256"],
  ["nss", "software", "2-sha1"],
  ["softhsm2", "nss", "2-sha1"],
];

describe.each(PAIRS)("%s and %s, form %s", (token, other, form) => {
  test.skipIf([token, other].some((name) => name !== "software" && isWithout(name)))(
    "carry CURRENT from one to the other, and NEW at every later change, whichever made it",
    async () => {
      for (const isTokenFirst of [true, false]) {
        const units = await pairOf(token, other);
        const [from, to] = isTokenFirst ? units : [units[1], units[0]];
        const vp = await prepareCurrent(from);
        await carry(from, to, "CURRENT", form);
        using kek = await to.keks.open(await newKek(from, vp));
        expect(kek.unit).toBe(to.description.address satisfies UnitAddress);
        for (const maker of [from, from, to, to, from]) await change(maker, maker === from ? to : from, form);
        // Only a token counts.
        const [there, here] = [await reading(to), await reading(from)];
        expect({ ...there, generations: undefined }).toEqual({ ...here, generations: undefined });
      }
    },
    60_000,
  );
});
