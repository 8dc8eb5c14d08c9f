import { createHash, createPublicKey, verify } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  algorithmsOf,
  generateSigningKey,
  isSigningSpec,
  joseNameOf,
  messageRefusal,
  readSigningKey,
  signMessage,
  verifyMessage,
} from "./signature-algorithms.ts";
import type { SignatureAlgorithm, SigningSpec } from "./signature-algorithms.ts";

const bytes = (hex: string): Buffer => Buffer.from(hex, "hex");
const base64url = (hex: string): string => bytes(hex).toString("base64url");
const SPECS: readonly SigningSpec[] = ["EC_P256", "EC_P384", "RSA_3072", "ED25519"];

function spki(jwk: Record<string, string>): Buffer {
  return createPublicKey({ key: jwk, format: "jwk" }).export({ format: "der", type: "spki" });
}

/** RFC 3279 §2.2.3: SEQUENCE of two INTEGERs; those of the answers below have their highest bit set. */
function derSignature(r: string, s: string): Buffer {
  const integer = (hex: string) => Buffer.concat([Buffer.of(2, hex.length / 2 + 1, 0), bytes(hex)]);
  const both = Buffer.concat([integer(r), integer(s)]);
  return Buffer.concat([Buffer.of(0x30, both.length), both]);
}

/** RFC 8032 §7.1, TEST 2 and TEST 3. */
const ED25519 = [
  {
    secret: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    publicKey: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    message: "72",
    signature:
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  },
  {
    secret: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    publicKey: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    message: "af82",
    signature:
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  },
];

/** RFC 6979 §A.2.5 and §A.2.6: the public keys, and the signatures of "sample" with the curve's own hash. */
const ECDSA = [
  {
    algorithm: "ECDSA_SHA_256",
    crv: "P-256",
    x: "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
    y: "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
    r: "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
    s: "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
  },
  {
    algorithm: "ECDSA_SHA_384",
    crv: "P-384",
    x: "ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc13",
    y: "8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533264720",
    r: "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46",
    s: "99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8",
  },
] as const;

async function keyOf(spec: SigningSpec) {
  const { publicKey, pkcs8 } = await generateSigningKey(spec);
  const key = readSigningKey(spec, pkcs8);
  if (key === "refused") throw new Error("a new key is refused");
  return { publicKey, pkcs8, key };
}

describe("known answers", () => {
  test.each(ED25519)("Ed25519 signs $message as RFC 8032 does", async (answer) => {
    const message = bytes(answer.message);
    const key = readSigningKey("ED25519", bytes(`302e020100300506032b657004220420${answer.secret}`));
    if (key === "refused") throw new Error("refused");
    expect(Buffer.from(await signMessage("ED25519", key, message)).toString("hex")).toBe(answer.signature);
    const publicKey = spki({ kty: "OKP", crv: "Ed25519", x: base64url(answer.publicKey) });
    expect(await verifyMessage("ED25519", publicKey, message, bytes(answer.signature))).toBe(true);
    expect(await verifyMessage("ED25519", publicKey, bytes("73"), bytes(answer.signature))).toBe(false);
  });

  test.each(ECDSA)(
    "$algorithm verifies the signature of RFC 6979",
    async ({ algorithm, crv, x, y, r, s }) => {
      const publicKey = spki({ kty: "EC", crv, x: base64url(x), y: base64url(y) });
      const signature = derSignature(r, s);
      expect(await verifyMessage(algorithm, publicKey, Buffer.from("sample"), signature)).toBe(true);
      expect(await verifyMessage(algorithm, publicKey, Buffer.from("samplf"), signature)).toBe(false);
      expect(await verifyMessage(algorithm, publicKey, Buffer.from("sample"), derSignature(s, r))).toBe(
        false,
      );
      const plain = Buffer.concat([bytes(r), bytes(s)]);
      expect(await verifyMessage(algorithm, publicKey, Buffer.from("sample"), plain)).toBe(false);
    },
  );
});

/** RFC 8017 §5.2.2: what an RSA signature stands for, with numbers alone. */
function rsaOpen(publicKey: Uint8Array, signature: Uint8Array): Buffer {
  const jwk = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" }).export({
    format: "jwk",
  });
  const n = BigInt(`0x${Buffer.from(jwk.n ?? "", "base64url").toString("hex")}`);
  expect(jwk.e).toBe("AQAB");
  const base = BigInt(`0x${Buffer.from(signature).toString("hex")}`);
  let power = base;
  for (let i = 0; i < 16; i++) power = (power * power) % n;
  return bytes(((power * base) % n).toString(16).padStart(768, "0"));
}

const HASHES = [
  ["256", "3031300d060960864801650304020105000420"],
  ["384", "3041300d060960864801650304020205000430"],
  ["512", "3051300d060960864801650304020305000440"],
] as const;

describe("RSA, as RFC 8017 says it", () => {
  test("PKCS1 v1.5 and PSS hold padding, hash and salt as they must", async () => {
    const { publicKey, key } = await keyOf("RSA_3072");
    const message = Buffer.from("message");
    for (const [bits, prefix] of HASHES) {
      const digest = createHash(`sha${bits}`).update(message).digest();
      const pkcs1 = rsaOpen(publicKey, await signMessage(`RSASSA_PKCS1_V1_5_SHA_${bits}`, key, message));
      const info = Buffer.concat([bytes(prefix), digest]);
      const padding = Buffer.alloc(384 - 3 - info.length, 0xff);
      expect(pkcs1).toEqual(Buffer.concat([Buffer.of(0, 1), padding, Buffer.of(0), info]));

      const pss = rsaOpen(publicKey, await signMessage(`RSASSA_PSS_SHA_${bits}`, key, message));
      const hashBytes = digest.length;
      const [maskedDb, h] = [pss.subarray(0, 383 - hashBytes), pss.subarray(383 - hashBytes, 383)];
      const mask = Array.from({ length: Math.ceil(maskedDb.length / hashBytes) }, (_, i) =>
        createHash(`sha${bits}`)
          .update(h)
          .update(Buffer.of(0, 0, 0, i))
          .digest(),
      );
      const db = Buffer.from(maskedDb.map((byte, i) => byte ^ (Buffer.concat(mask)[i] ?? 0)));
      const salt = db.subarray(db.length - hashBytes);
      const again = createHash(`sha${bits}`).update(Buffer.alloc(8)).update(digest).update(salt).digest();
      expect([pss[383], db.at(-hashBytes - 1), again]).toEqual([0xbc, 1, h]);
    }
  });
});

describe("RSA, of a digest", () => {
  test("signs what the message's verifier takes, and takes what the message's signer made", async () => {
    const { publicKey, key } = await keyOf("RSA_3072");
    const message = Buffer.from("message");
    for (const algorithm of algorithmsOf("RSA_3072")) {
      const digest = createHash(`sha${algorithm.slice(-3)}`)
        .update(message)
        .digest();
      const [ofMessage, ofDigest] = [
        await signMessage(algorithm, key, message),
        await signMessage(algorithm, key, digest, "DIGEST"),
      ];
      expect(await verifyMessage(algorithm, publicKey, message, ofDigest), algorithm).toBe(true);
      expect(await verifyMessage(algorithm, publicKey, digest, ofMessage, "DIGEST"), algorithm).toBe(true);
      if (algorithm.includes("PKCS1")) expect(Buffer.from(ofDigest)).toEqual(Buffer.from(ofMessage));
      const wrong = Uint8Array.from(digest);
      wrong[0] = (wrong[0] ?? 0) ^ 1;
      expect(await verifyMessage(algorithm, publicKey, wrong, ofMessage, "DIGEST"), algorithm).toBe(false);
      const changed = Uint8Array.from(ofDigest);
      changed[200] = (changed[200] ?? 0) ^ 1;
      const tooLarge = new Uint8Array(384).fill(0xff);
      for (const bad of [changed, tooLarge, ofDigest.subarray(1), new Uint8Array(384), new Uint8Array(0)])
        expect(await verifyMessage(algorithm, publicKey, digest, bad, "DIGEST"), algorithm).toBe(false);
      for (const other of algorithmsOf("RSA_3072").filter((one) => one !== algorithm))
        expect(await verifyMessage(other, publicKey, digest, ofDigest, "DIGEST"), other).toBe(false);
    }
  });

  test("is refused where its length is another, and for every other key", () => {
    expect(messageRefusal("RSASSA_PSS_SHA_256", "DIGEST", Buffer.alloc(32))).toBeUndefined();
    expect(messageRefusal("RSASSA_PSS_SHA_256", "DIGEST", Buffer.alloc(31))).toContain("32 bytes");
    expect(messageRefusal("RSASSA_PKCS1_V1_5_SHA_512", "DIGEST", Buffer.alloc(32))).toContain("64 bytes");
    for (const algorithm of ["ECDSA_SHA_256", "ECDSA_SHA_384", "ED25519"] as const)
      expect(messageRefusal(algorithm, "DIGEST", Buffer.alloc(32))).toContain("no digests");
    expect(messageRefusal("ED25519", "RAW", Buffer.alloc(0))).toBeUndefined();
  });
});

describe.each(SPECS)("a key of %s", (spec) => {
  test("signs by each of its algorithms what only that algorithm, message and key verify", async () => {
    const { publicKey, key } = await keyOf(spec);
    const other = await keyOf(spec);
    const message = Buffer.from("message");
    for (const algorithm of algorithmsOf(spec)) {
      const signature = await signMessage(algorithm, key, message);
      expect(await verifyMessage(algorithm, publicKey, message, signature), algorithm).toBe(true);
      expect(await verifyMessage(algorithm, other.publicKey, message, signature), algorithm).toBe(false);
      expect(await verifyMessage(algorithm, publicKey, Buffer.from("Message"), signature)).toBe(false);
      const changed = Uint8Array.from(signature);
      changed[20] = (changed[20] ?? 0) ^ 1;
      for (const bad of [changed, signature.subarray(1), new Uint8Array(0), new Uint8Array(1024)])
        expect(await verifyMessage(algorithm, publicKey, message, bad), algorithm).toBe(false);
      for (const wrong of algorithmsOf(spec))
        if (wrong !== algorithm)
          expect(await verifyMessage(wrong, publicKey, message, signature), wrong).toBe(false);
    }
  });

  test("is read as what it is, and as nothing else", async () => {
    const { pkcs8 } = await keyOf(spec);
    for (const as of SPECS) expect(readSigningKey(as, pkcs8) === "refused", as).toBe(as !== spec);
    expect(readSigningKey(spec, pkcs8.subarray(4))).toBe("refused");
    expect(readSigningKey(spec, new Uint8Array(0))).toBe("refused");
  });
});

test("every algorithm is one of exactly one kind of key, and only AES_256 is no such kind", () => {
  const all = SPECS.flatMap((spec) => algorithmsOf(spec));
  expect(new Set(all).size).toBe(9);
  expect(all).toHaveLength(9);
  expect(SPECS.every(isSigningSpec)).toBe(true);
  for (const other of ["AES_256", "toString", "EC_P521"]) expect(isSigningSpec(other), other).toBe(false);
  expect(SPECS.map(joseNameOf)).toEqual(["ES256", "ES384", undefined, "EdDSA"]);
});

test("a signature of ours is one to node:crypto, called by itself", async () => {
  const algorithm: SignatureAlgorithm = "ECDSA_SHA_256";
  const { publicKey, key } = await keyOf("EC_P256");
  const signature = await signMessage(algorithm, key, Buffer.from("m"));
  const pub = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
  expect(verify("sha256", Buffer.from("m"), { key: pub, dsaEncoding: "der" }, signature)).toBe(true);
});
