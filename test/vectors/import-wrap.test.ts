import { createDecipheriv, createHash, createPrivateKey } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { ImportAlgorithm } from "../../packages/server/src/core/crypto/import-wrap.ts";
import { readImportKey, unwrapImport } from "../../packages/server/src/core/crypto/import-wrap.ts";
import vectors from "./import-wrap.json" with { type: "json" };

/**
 * Material on its way in (docs/wrapped-key-format.md §8), twice: as the code opens it, and below as RFC 8017 says it, with
 * numbers and hashes alone. The vectors were made by a third implementation, and never change.
 */
const ALGORITHMS: readonly ImportAlgorithm[] = ["RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_256"];
const MODULUS_BYTES = 384;
const bytes = (hex: string): Buffer => Buffer.from(hex, "hex");
const sha256 = (data: Uint8Array): Buffer => createHash("sha256").update(data).digest();

/** RFC 8017 §5.1.2 and §4.1. */
function rsaDecrypt(ciphertext: Buffer): Buffer {
  const n = BigInt(`0x${vectors.privateKey.n}`);
  let exponent = BigInt(`0x${vectors.privateKey.d}`);
  let base = BigInt(`0x${ciphertext.toString("hex")}`);
  let result = 1n;
  for (; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % n;
    base = (base * base) % n;
  }
  return bytes(result.toString(16).padStart(2 * MODULUS_BYTES, "0"));
}

/** RFC 8017 §B.2.1. */
function mgf1(seed: Buffer, lengthBytes: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(lengthBytes / 32) }, (_, i) =>
    sha256(Buffer.concat([seed, Buffer.of(0, 0, 0, i)])),
  );
  return Buffer.concat(blocks).subarray(0, lengthBytes);
}

const xor = (a: Buffer, b: Buffer): Buffer => Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)));

/** RFC 8017 §7.1.2, step 3, with an empty label. */
function oaepDecode(encoded: Buffer): Buffer {
  const maskedSeed = encoded.subarray(1, 33);
  const maskedDb = encoded.subarray(33);
  const seed = xor(maskedSeed, mgf1(maskedDb, 32));
  const db = xor(maskedDb, mgf1(seed, maskedDb.length));
  expect(encoded[0]).toBe(0);
  expect(db.subarray(0, 32)).toEqual(sha256(Buffer.alloc(0)));
  const message = db.subarray(32).findIndex((byte) => byte !== 0);
  expect(db[32 + message]).toBe(1);
  return db.subarray(33 + message);
}

function importKey() {
  const key = readImportKey(bytes(vectors.privateKey.pkcs8));
  if (key === "refused") throw new Error("the key of the vectors is refused");
  return key;
}

describe("as RFC 8017 and RFC 5649 say it", () => {
  test("RSAES_OAEP_SHA_256 carries the material", () => {
    expect(oaepDecode(rsaDecrypt(bytes(vectors.RSAES_OAEP_SHA_256))).toString("hex")).toBe(vectors.material);
  });

  test("RSA_AES_KEY_WRAP_SHA_256 carries an AES key, and the material under it", () => {
    const wrapped = bytes(vectors.RSA_AES_KEY_WRAP_SHA_256);
    expect(wrapped).toHaveLength(MODULUS_BYTES + 40);
    const aesKey = oaepDecode(rsaDecrypt(wrapped.subarray(0, MODULUS_BYTES)));
    expect(aesKey.toString("hex")).toBe(vectors.aesKey);
    const kwp = createDecipheriv("id-aes256-wrap-pad", aesKey, bytes("a65959a6"));
    const material = Buffer.concat([kwp.update(wrapped.subarray(MODULUS_BYTES)), kwp.final()]);
    expect(material.toString("hex")).toBe(vectors.material);
  });
});

describe("as the code has it", () => {
  test.each(ALGORITHMS)("%s opens to the material", (algorithm) => {
    const opened = unwrapImport(algorithm, importKey(), bytes(vectors[algorithm]));
    expect(Buffer.from(opened).toString("hex")).toBe(vectors.material);
  });

  test.each(ALGORITHMS)("%s with one bit changed, a byte less or more is refused", (algorithm) => {
    const key = importKey();
    const whole = bytes(vectors[algorithm]);
    for (const at of [0, 1, 200, 383, whole.length - 1]) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(unwrapImport(algorithm, key, changed), String(at)).toBe("refused");
    }
    for (const other of [whole.subarray(1), whole.subarray(0, -1), Buffer.concat([whole, Buffer.of(0)])])
      expect(unwrapImport(algorithm, key, other), String(other.length)).toBe("refused");
    expect(unwrapImport(algorithm, key, Buffer.alloc(0))).toBe("refused");
  });

  test("what one algorithm made is refused by the other, and an unknown one refuses everything", () => {
    const key = importKey();
    const { RSAES_OAEP_SHA_256: oaep, RSA_AES_KEY_WRAP_SHA_256: wrap } = vectors;
    expect(unwrapImport("RSA_AES_KEY_WRAP_SHA_256", key, bytes(oaep))).toBe("refused");
    expect(unwrapImport("RSAES_OAEP_SHA_256", key, bytes(wrap))).toBe("refused");
    for (const name of ["toString", "RSAES_OAEP_SHA_1"])
      expect(unwrapImport(name as ImportAlgorithm, key, bytes(oaep))).toBe("refused");
  });

  test("only an RSA key of 3072 bits is an import key", () => {
    expect(createPrivateKey(importKey().export({ format: "pem", type: "pkcs8" })).asymmetricKeyType).toBe(
      "rsa",
    );
    const ed25519 = bytes("302e020100300506032b657004220420").toString("hex") + "11".repeat(32);
    expect(readImportKey(bytes(ed25519))).toBe("refused");
    expect(readImportKey(Buffer.alloc(0))).toBe("refused");
    expect(readImportKey(bytes(vectors.privateKey.pkcs8).subarray(5))).toBe("refused");
  });
});
