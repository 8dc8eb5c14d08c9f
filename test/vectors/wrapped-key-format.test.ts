import { createCipheriv, createDecipheriv, createHash, createHmac, createSecretKey } from "node:crypto";
import { describe, expect, test } from "vitest";
import { unwrapKwp, wrapKwp } from "../../packages/server/src/core/crypto/aes-kwp.ts";
import { encodeCiphertext, parseCiphertext } from "../../packages/server/src/core/crypto/ciphertext.ts";
import { encodeContext } from "../../packages/server/src/core/crypto/encryption-context.ts";
import { keyCheckValue } from "../../packages/server/src/core/crypto/key-check-value.ts";
import { masterKeyPairOf } from "../../packages/server/src/core/crypto/master-key-pair.ts";
import { payloadAad } from "../../packages/server/src/core/crypto/payload-aad.ts";
import {
  PAYLOAD_SUITES,
  PayloadKey,
  payloadMac,
} from "../../packages/server/src/core/crypto/payload-suite.ts";
import { verificationPattern } from "../../packages/server/src/core/crypto/verification-pattern.ts";
import { openWrappedKek, wrapKek } from "../../packages/server/src/core/crypto/wrapped-kek.ts";
import type {
  GroupName,
  KekId,
  KeyId,
  MasterKeyType,
  ProjectId,
} from "../../packages/server/src/core/ids.ts";
import vectors from "./wrapped-key-format.json" with { type: "json" };

/**
 * The formats of docs/wrapped-key-format.md, twice: as the code has them, and below as the page says them, with
 * plain node:crypto calls and nothing of the code. Both must give the committed vectors, which never change.
 */
const { masterKey, kek, material, payload, payload2, payload3, mac } = vectors;

const bytes = (hex: string): Buffer => Buffer.from(hex, "hex");
const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");
const ascii = (text: string): Buffer => Buffer.from(text, "latin1");
const id = (uuid: string): Buffer => bytes(uuid.replaceAll("-", ""));
const sha256 = (...parts: Buffer[]): Buffer => createHash("sha256").update(Buffer.concat(parts)).digest();
const hmac = (key: Buffer, ...parts: Buffer[]): Buffer =>
  createHmac("sha256", key).update(Buffer.concat(parts)).digest();

function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}

/** A field with its length in front. */
function sized(field: string | Buffer): Buffer {
  const data = Buffer.from(field);
  return Buffer.concat([u32(data.length), data]);
}

function kwp(key: string, data: string): Buffer {
  const cipher = createCipheriv("id-aes256-wrap-pad", bytes(key), bytes("a65959a6"));
  return Buffer.concat([cipher.update(bytes(data)), cipher.final()]);
}

function kdf(key: string, label: string, context: Buffer): Buffer {
  return hmac(bytes(key), u32(1), ascii(label), Buffer.of(0), context, u32(256));
}

/** The payload of the vectors under a message key, its tag behind it. */
function gcm(messageKey: Buffer, iv: Buffer): Buffer {
  const cipher = createCipheriv("aes-256-gcm", messageKey, iv).setAAD(bytes(payload.aad));
  return Buffer.concat([cipher.update(bytes(payload.plaintext)), cipher.final(), cipher.getAuthTag()]);
}

describe("as the page says it, with plain node:crypto", () => {
  test("verification pattern and key check value", () => {
    const { type, wrappingKey, macKey, vp } = masterKey;
    expect(
      hex(sha256(ascii("claviger verification pattern 1"), ascii(type), bytes(wrappingKey), bytes(macKey))),
    ).toBe(vp);
    expect(hex(sha256(ascii("claviger key check value 1"), bytes(kek.kek)).subarray(0, 16))).toBe(kek.kcv);
  });

  test("wrapped KEK and wrapped key material", () => {
    const wrapped = kwp(masterKey.wrappingKey, kek.kek);
    const place = [
      sized(kek.group),
      sized(masterKey.type),
      bytes(masterKey.vp),
      id(kek.projectId),
      id(kek.kekId),
    ];
    const tag = hmac(
      bytes(masterKey.macKey),
      ascii("claviger wrapped kek 1"),
      Buffer.of(1),
      ...place,
      bytes(kek.kcv),
      wrapped,
    );
    expect(hex(Buffer.concat([Buffer.of(1), wrapped, tag]))).toBe(kek.wrapped);
    expect(hex(kwp(kek.kek, material.material))).toBe(material.wrapped);
  });

  test("encryption contexts", () => {
    for (const { pairs, encoded } of vectors.contexts) {
      const sorted = pairs.map(([name = "", value = ""]) => [name, value] as const);
      sorted.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const fields = sorted.flatMap(([name, value]) => [sized(name), sized(value)]);
      expect(hex(Buffer.concat([u32(sorted.length), ...fields]))).toBe(encoded);
    }
  });

  test("AAD, sealed payload and ciphertext", () => {
    const { projectId, keyId, keyVersion, purpose, context, nonce } = payload;
    const head = [ascii("claviger aad 1"), id(projectId), id(keyId), u32(keyVersion)];
    const aad = Buffer.concat([...head, sized(purpose), sized(bytes(context))]);
    expect(hex(aad)).toBe(payload.aad);

    const messageKey = kdf(material.material, "claviger payload 1", bytes(nonce));
    expect(hex(messageKey)).toBe(payload.messageKey);
    const sealed = gcm(messageKey, Buffer.alloc(12));
    expect(hex(sealed)).toBe(payload.sealed);
    const ciphertext = Buffer.concat([Buffer.of(0xc1, 1), id(keyId), u32(keyVersion), bytes(nonce), sealed]);
    expect(hex(ciphertext)).toBe(payload.ciphertext);
  });

  test("sealed payload and ciphertext of suite 2", () => {
    const { keyId, keyVersion } = payload;
    const { nonce, messageKey } = payload2;
    const blocks = createCipheriv("aes-256-ecb", bytes(material.material), null);
    const l = BigInt(`0x${hex(blocks.update(Buffer.alloc(16)))}`);
    const k1 = BigInt.asUintN(128, l << 1n) ^ (l >> 127n === 1n ? 0x87n : 0n);
    const block = (counter: number) => {
      const m = BigInt(
        `0x${hex(Buffer.concat([Buffer.of(0, counter, 0x58, 0), bytes(nonce).subarray(0, 12)]))}`,
      );
      return blocks.update(bytes((m ^ k1).toString(16).padStart(32, "0")));
    };
    const key = Buffer.concat([block(1), block(2)]);
    expect(hex(key)).toBe(messageKey);
    const sealed = gcm(key, bytes(nonce).subarray(12));
    expect(hex(sealed)).toBe(payload2.sealed);
    const ciphertext = Buffer.concat([Buffer.of(0xc1, 2), id(keyId), u32(keyVersion), bytes(nonce), sealed]);
    expect(hex(ciphertext)).toBe(payload2.ciphertext);
  });

  test("sealed payload and ciphertext of suite 3", () => {
    const { keyId, keyVersion } = payload;
    const { nonce, messageKey } = payload3;
    const cbc = createCipheriv("aes-256-cbc", bytes(material.material), bytes(nonce).subarray(0, 16));
    const key = cbc
      .setAutoPadding(false)
      .update(Buffer.concat([ascii("claviger payload 3"), Buffer.alloc(14)]));
    expect(hex(key)).toBe(messageKey);
    const sealed = gcm(key, bytes(nonce).subarray(16));
    expect(hex(sealed)).toBe(payload3.sealed);
    const ciphertext = Buffer.concat([Buffer.of(0xc1, 3), id(keyId), u32(keyVersion), bytes(nonce), sealed]);
    expect(hex(ciphertext)).toBe(payload3.ciphertext);
  });

  test("MAC", () => {
    expect(hex(hmac(kdf(material.material, "claviger mac 1", Buffer.alloc(0)), bytes(mac.data)))).toBe(
      mac.mac,
    );
  });

  test("a payload that the code seals now opens", () => {
    const aad = bytes(payload.aad);
    const key = new PayloadKey(createSecretKey(bytes(material.material)));
    const { nonce, sealed } = PAYLOAD_SUITES[1].seal(key, bytes(payload.plaintext), aad);
    const messageKey = kdf(material.material, "claviger payload 1", Buffer.from(nonce));
    const decipher = createDecipheriv("aes-256-gcm", messageKey, Buffer.alloc(12)).setAAD(aad);
    decipher.setAuthTag(sealed.subarray(-16));
    const plaintext = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
    expect(hex(plaintext)).toBe(payload.plaintext);
  });
});

describe("as the code has it", () => {
  const pair = masterKeyPairOf(Buffer.concat([bytes(masterKey.wrappingKey), bytes(masterKey.macKey)]));
  const type = masterKey.type as MasterKeyType;
  const vp = verificationPattern(type, pair);
  const binding = {
    group: kek.group as GroupName,
    type,
    projectId: kek.projectId as ProjectId,
    kekId: kek.kekId as KekId,
  };
  const key = new PayloadKey(createSecretKey(bytes(material.material)));

  test("verification pattern and key check value", () => {
    expect(vp).toBe(masterKey.vp);
    expect(hex(keyCheckValue(bytes(kek.kek)))).toBe(kek.kcv);
  });

  test("wrapped KEK and wrapped key material, both ways", () => {
    const kcv = bytes(kek.kcv);
    expect(hex(wrapKek(pair, vp, binding, kcv, bytes(kek.kek)))).toBe(kek.wrapped);
    expect(openWrappedKek(pair, { ...binding, kcv, wrapped: { vp, blob: bytes(kek.wrapped) } })).toEqual(
      bytes(kek.kek),
    );
    const kekKey = createSecretKey(bytes(kek.kek));
    expect(hex(wrapKwp(kekKey, bytes(material.material)))).toBe(material.wrapped);
    expect(unwrapKwp(kekKey, bytes(material.wrapped))).toEqual(bytes(material.material));
  });

  test("encryption contexts", () => {
    for (const { pairs, encoded } of vectors.contexts) {
      const context = new Map(pairs.map(([name = "", value = ""]) => [name, value]));
      expect(hex(encodeContext(context))).toBe(encoded);
    }
  });

  test("AAD, sealed payload and ciphertext", () => {
    const { keyVersion, purpose } = payload;
    const keyId = payload.keyId as KeyId;
    const projectId = payload.projectId as ProjectId;
    const aad = payloadAad({ projectId, keyId, keyVersion, purpose, context: bytes(payload.context) });
    expect(hex(aad)).toBe(payload.aad);
    const parsed = parseCiphertext(bytes(payload.ciphertext));
    expect(parsed).toEqual({
      keyId,
      keyVersion,
      suite: 1,
      nonce: bytes(payload.nonce),
      sealed: bytes(payload.sealed),
    });
    expect(hex(encodeCiphertext(parsed))).toBe(payload.ciphertext);
    expect(hex(Buffer.from(PAYLOAD_SUITES[parsed.suite].open(key, parsed, aad)))).toBe(payload.plaintext);
  });

  test.for([
    [2, payload2],
    [3, payload3],
  ] as const)("sealed payload and ciphertext of suite %i", ([suite, { nonce, sealed, ciphertext }]) => {
    const { keyId, keyVersion } = payload;
    const parsed = parseCiphertext(bytes(ciphertext));
    expect(parsed).toEqual({ keyId, keyVersion, suite, nonce: bytes(nonce), sealed: bytes(sealed) });
    expect(hex(encodeCiphertext(parsed))).toBe(ciphertext);
    const opened = PAYLOAD_SUITES[parsed.suite].open(key, parsed, bytes(payload.aad));
    expect(hex(Buffer.from(opened))).toBe(payload.plaintext);
  });

  test("MAC", () => {
    expect(hex(payloadMac(key, bytes(mac.data)))).toBe(mac.mac);
  });
});
