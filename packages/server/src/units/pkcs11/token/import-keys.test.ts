import {
  constants,
  createCipheriv,
  createPublicKey,
  createSecretKey,
  publicEncrypt,
  randomBytes,
} from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { flipped, refusal } from "../../../../../../test/contracts/crypto-unit-contract.ts";
import type { KeyHost } from "../../../../../../test/pkcs11/key-host.ts";
import { startKeyHost } from "../../../../../../test/pkcs11/key-host.ts";
import type { TestToken } from "../../../../../../test/pkcs11/tokens.ts";
import { nssToken, softHsmToken } from "../../../../../../test/pkcs11/tokens.ts";
import { isWithout } from "../../../../../../test/set-up/without.ts";
import vectors from "../../../../../../test/vectors/import-wrap.json" with { type: "json" };
import { unwrapKwp, wrapKwp } from "../../../core/crypto/aes-kwp.ts";
import type { ImportAlgorithm } from "../../../core/crypto/import-wrap.ts";
import { importAlgorithms, readImportKey, unwrapImport } from "../../../core/crypto/import-wrap.ts";

const kekValue = randomBytes(32);
const softwareKek = createSecretKey(kekValue);
const bytes = (hex: string): Buffer => Buffer.from(hex, "hex");

function oaep(publicKey: Uint8Array, plaintext: Uint8Array): Buffer {
  const key = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
  return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" }, plaintext);
}

/** As a caller wraps material. */
const WRAP: Readonly<Record<ImportAlgorithm, (publicKey: Uint8Array, material: Uint8Array) => Uint8Array>> = {
  RSAES_OAEP_SHA_256: oaep,
  RSA_AES_KEY_WRAP_SHA_256: (publicKey, material) => {
    const aesKey = randomBytes(32);
    return Buffer.concat([oaep(publicKey, aesKey), wrapKwp(createSecretKey(aesKey), material)]);
  },
};

interface Fixture {
  readonly token: TestToken;
  readonly host: KeyHost;
  readonly kek: number;
}

async function fixture(newToken: () => TestToken): Promise<Fixture> {
  const token = newToken();
  const host = await startKeyHost(token);
  return { token, host, kek: await host.call("kek", kekValue) };
}

async function end({ host, token }: Fixture): Promise<void> {
  await host[Symbol.asyncDispose]();
  token[Symbol.dispose]();
}

const TOKENS = [
  { name: "softhsm2", newToken: softHsmToken },
  { name: "nss", newToken: nssToken },
];

describe.each(TOKENS.filter(({ name }) => !isWithout(name)))("import keys in $name", ({ newToken }) => {
  test("are RSA keys of 3072 bits by which a software unit imports", async () => {
    const { token, host, kek } = await fixture(newToken);
    const { publicKey, wrapped } = await host.call("createImportKey", kek);
    const pkcs8 = unwrapKwp(softwareKek, wrapped);
    const key = pkcs8 === "refused" ? pkcs8 : readImportKey(pkcs8);
    if (key === "refused") throw new Error("a software unit refuses the key");
    const material = randomBytes(32);
    for (const algorithm of importAlgorithms())
      expect(unwrapImport(algorithm, key, WRAP[algorithm](publicKey, material))).toEqual(material);
    expect(await host.call("sessionKeys")).toEqual(["kept"]);
    await end({ token, host, kek });
  });
});

/** SoftHSM has OAEP with SHA-1 only. */
describe.skipIf(isWithout("nss"))("import into nss", () => {
  let made: Fixture;
  let imported: { readonly publicKey: Uint8Array; readonly wrapped: Uint8Array };
  beforeAll(async () => {
    made = await fixture(nssToken);
    imported = await made.host.call("createImportKey", made.kek);
  });
  afterAll(() => end(made));

  const bring = (
    algorithm: ImportAlgorithm,
    wrapped: Uint8Array,
    importKey = imported.wrapped,
    by = made.kek,
  ) => made.host.call("importMaterial", by, importKey, algorithm, wrapped);

  describe.each(importAlgorithms())("%s", (algorithm) => {
    test("brings in the material of the vectors", async () => {
      const importKey = wrapKwp(softwareKek, bytes(vectors.privateKey.pkcs8));
      const blob = await bring(algorithm, bytes(vectors[algorithm]), importKey);
      expect(Buffer.from(unwrapKwp(softwareKek, blob)).toString("hex")).toBe(vectors.material);
    });

    test("brings in what a caller wrapped, and leaves nothing in the token but it", async () => {
      const material = randomBytes(32);
      const blob = await bring(algorithm, WRAP[algorithm](imported.publicKey, material));
      expect(unwrapKwp(softwareKek, blob)).toEqual(material);
      expect(await made.host.call("sessionKeys")).toEqual(["kept"]);
    });

    test.each([1, 8, 16, 24, 31, 33, 40, 64])("refuses material of %i bytes", async (lengthBytes) => {
      const wrapped = WRAP[algorithm](imported.publicKey, randomBytes(lengthBytes));
      expect(await refusal(bring(algorithm, wrapped))).toBe("key-material-refused");
    });

    test("refuses what was changed, cut, made longer or wrapped for another key", async () => {
      const wrapped = WRAP[algorithm](imported.publicKey, randomBytes(32));
      for (const at of wrapped.keys())
        expect(await refusal(bring(algorithm, flipped(wrapped, at))), String(at)).toBe(
          "key-material-refused",
        );
      const stranger = await made.host.call("createImportKey", made.kek);
      const others = [
        wrapped.subarray(1),
        wrapped.subarray(0, -8),
        Buffer.concat([wrapped, Buffer.alloc(8)]),
        Buffer.alloc(0),
        Buffer.alloc(wrapped.byteLength),
        Buffer.alloc(wrapped.byteLength, 0xff),
        WRAP[algorithm](stranger.publicKey, randomBytes(32)),
      ];
      for (const other of others) expect(await refusal(bring(algorithm, other))).toBe("key-material-refused");
      expect(await made.host.call("sessionKeys")).toEqual(["kept"]);
    });

    test("refuses what another algorithm wrapped, and one that there is not", async () => {
      const wrapped = WRAP[algorithm](imported.publicKey, randomBytes(32));
      for (const other of [...importAlgorithms().filter((one) => one !== algorithm), "toString"])
        expect(await refusal(bring(other as ImportAlgorithm, wrapped))).toBe("key-material-refused");
    });

    test("opens an import key under its own KEK only, unchanged, and nothing else as one", async () => {
      const wrapped = WRAP[algorithm](imported.publicKey, randomBytes(32));
      const foreignKek = await made.host.call("kek", randomBytes(32));
      expect(await refusal(bring(algorithm, wrapped, imported.wrapped, foreignKek))).toBe(
        "record-not-vouched",
      );
      await made.host.call("closeKek", foreignKek);
      const others = [flipped(imported.wrapped, 9), await made.host.call("generate", made.kek)];
      for (const other of others)
        expect(await refusal(bring(algorithm, wrapped, other))).toBe("record-not-vouched");
    });
  });

  test.each([128, 192])("refuses a caller's AES key of %i bits", async (bits) => {
    const aesKey = randomBytes(bits / 8);
    const kwp = createCipheriv(`id-aes${bits}-wrap-pad`, aesKey, bytes("a65959a6"));
    const wrapped = Buffer.concat([
      oaep(imported.publicKey, aesKey),
      kwp.update(randomBytes(32)),
      kwp.final(),
    ]);
    expect(await refusal(bring("RSA_AES_KEY_WRAP_SHA_256", wrapped))).toBe("key-material-refused");
  });
});
