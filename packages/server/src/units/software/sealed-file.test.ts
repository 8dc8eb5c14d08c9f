import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { refusal } from "../../../../../test/contracts/crypto-unit-contract.ts";
import { CHEAP_KDF, pinOf } from "../../../../../test/contracts/software-units.ts";
import { newSeal, openState, sealOf, sealState } from "./sealed-file.ts";

const state = Buffer.from("the state of a unit");

/** `file` with byte `at` set, and the checksum of the header made to fit. */
function rewritten(file: Uint8Array, at: number, value: number): Uint8Array {
  const changed = Uint8Array.from(file);
  changed[at] = value;
  changed.set(createHash("sha256").update(changed.subarray(0, 77)).digest(), 77);
  return changed;
}

test("opens what was sealed, by PIN and by the seal in memory", async () => {
  const seal = await newSeal(pinOf("pin"), CHEAP_KDF);
  const file = sealState(seal, state);
  expect(Buffer.from(openState(seal, file))).toEqual(state);
  expect(Buffer.from(openState(await sealOf(file, pinOf("pin")), file))).toEqual(state);
  expect(await refusal(sealOf(file, pinOf("Pin")))).toBe("unit-pin-wrong");
});

test("never seals the same state twice alike", async () => {
  const seal = await newSeal(pinOf("pin"), CHEAP_KDF);
  expect(Buffer.compare(sealState(seal, state), sealState(seal, state))).not.toBe(0);
});

test("refuses KDF parameters out of bounds before the KDF runs, even where the checksum was made to fit", async () => {
  const file = sealState(await newSeal(pinOf("pin"), CHEAP_KDF), state);
  for (const [at, value] of [
    [10, 21],
    [10, 0],
    [10, 255],
    [11, 33],
    [11, 0],
    [12, 5],
    [12, 0],
  ] as const) {
    expect(await refusal(sealOf(rewritten(file, at, value), pinOf("pin")))).toBe("unit-file-tampered");
  }
});

test("refuses a format and a KDF that it does not know", async () => {
  const file = sealState(await newSeal(pinOf("pin"), CHEAP_KDF), state);
  expect(await refusal(sealOf(rewritten(file, 8, 2), pinOf("pin")))).toBe("unit-file-tampered");
  expect(await refusal(sealOf(rewritten(file, 9, 2), pinOf("pin")))).toBe("unit-file-tampered");
});

test("does not open a file under the seal of another", async () => {
  const seal = await newSeal(pinOf("pin"), CHEAP_KDF);
  const other = sealState(await newSeal(pinOf("pin"), CHEAP_KDF), state);
  expect(() => openState(seal, other)).toThrow("its state does not open");
});
