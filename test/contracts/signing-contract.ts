import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  algorithmsOf,
  signingSpecs,
  verifyMessage,
} from "../../packages/server/src/core/crypto/signature-algorithms.ts";
import type { CryptoUnit, KekHandle, KekToOpen } from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { Vp } from "../../packages/server/src/core/ids.ts";
import { DEFAULT_TYPE } from "../../packages/server/src/core/ids.ts";
import type { UnitKind, UnitsForTest } from "./crypto-unit-contract.ts";
import { flipped, newKek, prepareCurrent, prepareNew, present, refusal } from "./crypto-unit-contract.ts";

const message = Buffer.from("message");

/** What every adapter of the crypto-unit port must do with keys that sign; those that it lacks, it refuses. */
export function signingContract({ name, abilities, make }: UnitKind): void {
  describe(`${name}: signing keys`, () => {
    let made: UnitsForTest;
    let unit: CryptoUnit;
    let vp: Vp;
    let row: KekToOpen;
    let kek: KekHandle;

    beforeAll(async () => {
      made = await make(1);
      unit = present(made.units[0]);
      vp = await prepareCurrent(unit);
      row = await newKek(unit, vp);
      kek = await unit.keks.open(row);
    });
    afterAll(() => made.dispose());

    const lacking = signingSpecs().filter((spec) => !abilities.signingSpecs.includes(spec));
    for (const spec of lacking)
      test(`neither makes nor opens keys of ${spec}, which it lacks`, async () => {
        expect(await refusal(unit.signing.generateKeyPair(kek, spec))).toBe("unit-lacks-ability");
        expect(await refusal(unit.signing.open(kek, spec, randomBytes(80)))).toBe("unit-lacks-ability");
      });

    describe.each(abilities.signingSpecs)("%s", (spec) => {
      let publicKey: Uint8Array;
      let wrapped: Uint8Array;

      beforeAll(async () => {
        ({ publicKey, wrapped } = await unit.signing.generateKeyPair(kek, spec));
      });

      test("signs what its public key verifies, by each of its algorithms, also when it is opened again", async () => {
        for (const algorithm of algorithmsOf(spec)) {
          using key = await unit.signing.open(kek, spec, wrapped);
          const signature = await unit.signing.sign(key, algorithm, message);
          expect(await verifyMessage(algorithm, publicKey, message, signature), algorithm).toBe(true);
          expect(await verifyMessage(algorithm, publicKey, Buffer.from("Message"), signature)).toBe(false);
        }
      });

      test("signs a digest of its algorithm's hash for the message, where it is RSA, and no other digest", async () => {
        using key = await unit.signing.open(kek, spec, wrapped);
        for (const algorithm of algorithmsOf(spec))
          for (const bits of [256, 384, 512]) {
            const digest = createHash(`sha${bits}`).update(message).digest();
            const signing = unit.signing.sign(key, algorithm, digest, "DIGEST");
            if (spec === "RSA_3072" && algorithm.endsWith(`${bits}`))
              expect(await verifyMessage(algorithm, publicKey, message, await signing), algorithm).toBe(true);
            else expect(await refusal(signing), `${algorithm} of ${bits}`).toBe("algorithm-refused");
          }
      });

      test("refuses the algorithms of other keys", async () => {
        using key = await unit.signing.open(kek, spec, wrapped);
        for (const algorithm of signingSpecs()
          .filter((other) => other !== spec)
          .flatMap(algorithmsOf))
          expect(await refusal(unit.signing.sign(key, algorithm, message))).toBe("algorithm-refused");
      });

      test("opens under its own KEK only, unchanged, as what it is", async () => {
        using other = await unit.keks.open(await newKek(unit, vp));
        expect(await refusal(unit.signing.open(other, spec, wrapped))).toBe("record-not-vouched");
        for (const as of abilities.signingSpecs.filter((one) => one !== spec))
          expect(await refusal(unit.signing.open(kek, as, wrapped)), as).toBe("record-not-vouched");
        for (const at of [0, 8, wrapped.byteLength - 1])
          expect(await refusal(unit.signing.open(kek, spec, flipped(wrapped, at)))).toBe(
            "record-not-vouched",
          );
        expect(await refusal(unit.materials.open(kek, wrapped))).toBe("record-not-vouched");
        const material = await unit.materials.generate(kek);
        expect(await refusal(unit.signing.open(kek, spec, material))).toBe("record-not-vouched");
      });

      test("never makes the same key twice", async () => {
        const again = await unit.signing.generateKeyPair(kek, spec);
        expect(Buffer.compare(again.publicKey, publicKey)).not.toBe(0);
      });

      test("refuses a handle that was disposed", async () => {
        const key = await unit.signing.open(kek, spec, wrapped);
        key[Symbol.dispose]();
        const [algorithm] = algorithmsOf(spec);
        expect(await refusal(unit.signing.sign(key, present(algorithm), message))).toBe("internal");
      });
    });

    test("signs under a re-enciphered KEK what the public keys of before verify", async () => {
      const pairs = [];
      for (const spec of abilities.signingSpecs)
        pairs.push({ spec, ...(await unit.signing.generateKeyPair(kek, spec)) });
      const to = await prepareNew(unit);
      const { projectId, kekId, kcv } = row;
      const rows = [{ projectId, kekId, kcv, blob: row.wrapped.blob }];
      const batch = { group: unit.description.group, type: DEFAULT_TYPE, rows };
      const moved = present((await unit.keks.reencipher(batch, vp, to))[0]);
      if ("refused" in moved) throw new Error(moved.refused);
      await unit.registers.execute({ verb: "activate", type: DEFAULT_TYPE, vp: to });
      using after = await unit.keks.open({ ...row, wrapped: { vp: to, blob: moved.blob } });
      for (const { spec, publicKey, wrapped } of pairs) {
        using key = await unit.signing.open(after, spec, wrapped);
        const algorithm = present(algorithmsOf(spec)[0]);
        const signature = await unit.signing.sign(key, algorithm, message);
        expect(await verifyMessage(algorithm, publicKey, message, signature), spec).toBe(true);
      }
    });
  });
}
