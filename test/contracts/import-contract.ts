import { constants, createCipheriv, createPublicKey, createSecretKey, publicEncrypt } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  PAYLOAD_SUITES,
  PayloadKey,
  payloadMac,
} from "../../packages/server/src/core/crypto/payload-suite.ts";
import { importAlgorithms } from "../../packages/server/src/core/crypto/import-wrap.ts";
import type { ImportAlgorithm } from "../../packages/server/src/core/crypto/import-wrap.ts";
import { reveal } from "../../packages/server/src/core/secret/secret-bytes.ts";
import type { CryptoUnit, KekHandle } from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { UnitKind, UnitsForTest } from "./crypto-unit-contract.ts";
import { flipped, newKek, prepareCurrent, present, refusal } from "./crypto-unit-contract.ts";

const MATERIAL = Buffer.from(Array.from({ length: 32 }, (_, i) => 0x60 + i));
const key = new PayloadKey(createSecretKey(MATERIAL));
const plain = Buffer.from("plain");
const aad = Buffer.from("aad");

/** As a caller does it, with what the standards give. */
const WRAP: Readonly<Record<ImportAlgorithm, (publicKey: Uint8Array, material: Uint8Array) => Buffer>> = {
  RSAES_OAEP_SHA_256: oaep,
  RSA_AES_KEY_WRAP_SHA_256: (publicKey, material) => {
    const aesKey = Buffer.alloc(32, 0xc0);
    const cipher = createCipheriv("id-aes256-wrap-pad", aesKey, Buffer.from("a65959a6", "hex"));
    return Buffer.concat([oaep(publicKey, aesKey), cipher.update(material), cipher.final()]);
  },
};

function oaep(publicKey: Uint8Array, plaintext: Uint8Array): Buffer {
  const key = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
  return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" }, plaintext);
}

/** What every adapter of the crypto-unit port must do with material that comes from outside; what it lacks, it refuses. */
export function importContract(kind: UnitKind): void {
  const can = kind.abilities.importAlgorithms;
  const lacking = importAlgorithms().filter((algorithm) => !can.includes(algorithm));
  if (can.length > 0) imports(kind);
  if (lacking.length > 0) noImports(kind, lacking);
}

function noImports({ name, abilities, make }: UnitKind, lacking: readonly ImportAlgorithm[]): void {
  describe(`${name}: imports that it cannot do`, () => {
    let made: UnitsForTest;
    let unit: CryptoUnit;
    let kek: KekHandle;

    beforeAll(async () => {
      made = await make(1);
      unit = present(made.units[0]);
      kek = await unit.keks.open(await newKek(unit, await prepareCurrent(unit)));
    });
    afterAll(() => made.dispose());

    test.each(lacking)("takes nothing that is wrapped by %s", async (algorithm) => {
      const request = { importKey: new Uint8Array(8), algorithm, wrapped: new Uint8Array(384) };
      expect(await refusal(unit.materials.importMaterial(kek, request))).toBe("unit-lacks-ability");
    });

    test("makes import keys only if somebody could use them", async () => {
      const expected = abilities.importAlgorithms.length > 0 ? "no failure" : "unit-lacks-ability";
      expect(await refusal(unit.materials.createImportKey(kek))).toBe(expected);
    });
  });
}

function imports({ name, abilities, make }: UnitKind): void {
  describe(`${name}: import of key material`, () => {
    let made: UnitsForTest;
    let unit: CryptoUnit;
    let kek: KekHandle;
    let otherKek: KekHandle;
    let token: { readonly publicKey: Uint8Array; readonly wrapped: Uint8Array };

    beforeAll(async () => {
      made = await make(1);
      unit = present(made.units[0]);
      const vp = await prepareCurrent(unit);
      kek = await unit.keks.open(await newKek(unit, vp));
      otherKek = await unit.keks.open(await newKek(unit, vp));
      token = await unit.materials.createImportKey(kek);
    });
    afterAll(() => made.dispose());

    const bring = (wrapped: Uint8Array, algorithm: ImportAlgorithm, under = kek) =>
      unit.materials.importMaterial(under, { importKey: token.wrapped, algorithm, wrapped });

    describe.each(abilities.importAlgorithms)("%s", (algorithm) => {
      test("brings in exactly the material that was wrapped", async () => {
        const wrapped = await bring(WRAP[algorithm](token.publicKey, MATERIAL), algorithm);
        using material = await unit.materials.open(kek, wrapped);
        expect(Buffer.from(await unit.materials.mac(material, aad))).toEqual(payloadMac(key, aad));
        expect(await refusal(unit.materials.open(otherKek, wrapped))).toBe("record-not-vouched");
      });

      test.each([1, 16, 24, 31, 33, 64])("refuses material of %i bytes", async (lengthBytes) => {
        const wrapped = WRAP[algorithm](token.publicKey, Buffer.alloc(lengthBytes, 1));
        expect(await refusal(bring(wrapped, algorithm))).toBe("key-material-refused");
      });

      test("refuses what was changed, cut, or wrapped for another key, with the same word", async () => {
        const wrapped = WRAP[algorithm](token.publicKey, MATERIAL);
        for (const at of [0, 100, 383, wrapped.length - 1])
          expect(await refusal(bring(flipped(wrapped, at), algorithm))).toBe("key-material-refused");
        for (const other of [wrapped.subarray(1), wrapped.subarray(0, -8), new Uint8Array(0)])
          expect(await refusal(bring(other, algorithm))).toBe("key-material-refused");
        const stranger = await unit.materials.createImportKey(kek);
        const foreign = WRAP[algorithm](stranger.publicKey, MATERIAL);
        expect(await refusal(bring(foreign, algorithm))).toBe("key-material-refused");
      });

      test("opens payloads of every suite under it, and seals what the material opens elsewhere", async () => {
        const wrapped = await bring(WRAP[algorithm](token.publicKey, MATERIAL), algorithm);
        using material = await unit.materials.open(kek, wrapped);
        for (const [number, suite] of Object.entries(PAYLOAD_SUITES)) {
          const payload = { suite: Number(number), ...suite.seal(key, plain, aad) };
          using opened = await unit.materials.decrypt(material, payload, aad);
          expect(Buffer.from(reveal(opened)), number).toEqual(plain);
          const other = { ...payload, sealed: flipped(payload.sealed, 0) };
          expect(await refusal(unit.materials.decrypt(material, other, aad))).toBe("ciphertext-refused");
        }
        const sealed = await unit.materials.encrypt(material, plain, aad);
        expect(PAYLOAD_SUITES[abilities.payloadSuite].open(key, sealed, aad)).toEqual(plain);
      });

      test("refuses what was wrapped by another algorithm", async () => {
        for (const other of importAlgorithms().filter((each) => each !== algorithm)) {
          const wrapped = WRAP[other](token.publicKey, MATERIAL);
          expect(await refusal(bring(wrapped, algorithm))).toBe("key-material-refused");
        }
      });

      test("opens an import key under its own KEK only, unchanged, and nothing else as one", async () => {
        const wrapped = WRAP[algorithm](token.publicKey, MATERIAL);
        expect(await refusal(bring(wrapped, algorithm, otherKek))).toBe("record-not-vouched");
        for (const importKey of [flipped(token.wrapped, 9), await unit.materials.generate(kek)]) {
          const request = { importKey, algorithm, wrapped };
          expect(await refusal(unit.materials.importMaterial(kek, request))).toBe("record-not-vouched");
        }
        expect(await refusal(unit.materials.open(kek, token.wrapped))).toBe("record-not-vouched");
      });
    });

    test("never makes the same key pair twice, and gives RSA keys of 3072 bits", async () => {
      const again = await unit.materials.createImportKey(kek);
      expect(Buffer.compare(again.publicKey, token.publicKey)).not.toBe(0);
      const publicKey = createPublicKey({ key: Buffer.from(again.publicKey), format: "der", type: "spki" });
      expect([publicKey.asymmetricKeyType, publicKey.asymmetricKeyDetails?.modulusLength]).toEqual([
        "rsa",
        3072,
      ]);
    });
  });
}
