import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SigningSpec } from "../../packages/server/src/core/crypto/signature-algorithms.ts";
import { algorithmsOf, verifyMessage } from "../../packages/server/src/core/crypto/signature-algorithms.ts";
import type { CryptoUnit, KekHandle, KekToOpen } from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { Vp } from "../../packages/server/src/core/ids.ts";
import { DEFAULT_TYPE } from "../../packages/server/src/core/ids.ts";
import type { MakeUnits, UnitsForTest } from "./crypto-unit-contract.ts";
import { flipped, newKek, prepareCurrent, prepareNew, present, refusal } from "./crypto-unit-contract.ts";

const SPECS: readonly SigningSpec[] = ["EC_P256", "EC_P384", "RSA_3072", "ED25519"];
const message = Buffer.from("message");

/** What every adapter of the crypto-unit port must do with keys that sign. */
export function signingContract(name: string, makeUnits: MakeUnits): void {
  describe(`${name}: signing keys`, () => {
    let made: UnitsForTest;
    let unit: CryptoUnit;
    let vp: Vp;
    let row: KekToOpen;
    let kek: KekHandle;

    beforeAll(async () => {
      made = await makeUnits(1);
      unit = present(made.units[0]);
      vp = await prepareCurrent(unit);
      row = await newKek(unit, vp);
      kek = await unit.keks.open(row);
    });
    afterAll(() => made.dispose());

    describe.each(SPECS)("%s", (spec) => {
      test("signs what its public key verifies, by each of its algorithms, also when it is opened again", async () => {
        const { publicKey, wrapped } = await unit.signing.generateKeyPair(kek, spec);
        for (const algorithm of algorithmsOf(spec)) {
          using key = await unit.signing.open(kek, spec, wrapped);
          const signature = await unit.signing.sign(key, algorithm, message);
          expect(await verifyMessage(algorithm, publicKey, message, signature), algorithm).toBe(true);
          expect(await verifyMessage(algorithm, publicKey, Buffer.from("Message"), signature)).toBe(false);
        }
      });

      test("refuses the algorithms of other keys", async () => {
        const { wrapped } = await unit.signing.generateKeyPair(kek, spec);
        using key = await unit.signing.open(kek, spec, wrapped);
        for (const algorithm of SPECS.filter((other) => other !== spec).flatMap(algorithmsOf))
          expect(await refusal(unit.signing.sign(key, algorithm, message))).toBe("algorithm-refused");
      });

      test("opens under its own KEK only, unchanged, as what it is", async () => {
        const { wrapped } = await unit.signing.generateKeyPair(kek, spec);
        using other = await unit.keks.open(await newKek(unit, vp));
        expect(await refusal(unit.signing.open(other, spec, wrapped))).toBe("record-not-vouched");
        for (const as of SPECS.filter((one) => one !== spec))
          expect(await refusal(unit.signing.open(kek, as, wrapped)), as).toBe("record-not-vouched");
        for (const at of [0, 8, wrapped.byteLength - 1])
          expect(await refusal(unit.signing.open(kek, spec, flipped(wrapped, at)))).toBe(
            "record-not-vouched",
          );
        expect(await refusal(unit.materials.open(kek, wrapped))).toBe("record-not-vouched");
        const material = await unit.materials.generate(kek);
        expect(await refusal(unit.signing.open(kek, spec, material))).toBe("record-not-vouched");
      });
    });

    test("never makes the same key twice", async () => {
      const [a, b] = [
        await unit.signing.generateKeyPair(kek, "ED25519"),
        await unit.signing.generateKeyPair(kek, "ED25519"),
      ];
      expect(Buffer.compare(a.publicKey, b.publicKey)).not.toBe(0);
    });

    test("refuses a handle that was disposed", async () => {
      const { wrapped } = await unit.signing.generateKeyPair(kek, "ED25519");
      const key = await unit.signing.open(kek, "ED25519", wrapped);
      key[Symbol.dispose]();
      expect(await refusal(unit.signing.sign(key, "ED25519", message))).toBe("internal");
    });

    test("signs under a re-enciphered KEK what the public key of before verifies", async () => {
      const { publicKey, wrapped } = await unit.signing.generateKeyPair(kek, "EC_P256");
      const to = await prepareNew(unit);
      const { projectId, kekId, kcv } = row;
      const rows = [{ projectId, kekId, kcv, blob: row.wrapped.blob }];
      const batch = { group: unit.description.group, type: DEFAULT_TYPE, rows };
      const moved = present((await unit.keks.reencipher(batch, vp, to))[0]);
      if ("refused" in moved) throw new Error(moved.refused);
      await unit.registers.execute({ verb: "activate", type: DEFAULT_TYPE, vp: to });
      using after = await unit.keks.open({ ...row, wrapped: { vp: to, blob: moved.blob } });
      using key = await unit.signing.open(after, "EC_P256", wrapped);
      const signature = await unit.signing.sign(key, "ECDSA_SHA_256", message);
      expect(await verifyMessage("ECDSA_SHA_256", publicKey, message, signature)).toBe(true);
    });
  });
}
