import { expect, test } from "vitest";
import { isUuid } from "../ids.ts";
import { randomNonce, randomSecret, uuid } from "./random.ts";
import { uuidText, writeUuid } from "./uuid-bytes.ts";

test("no two nonces of the pool are the same, and none changes when others are drawn", () => {
  const nonces = Array.from({ length: 3000 }, () => randomNonce(16));
  const drawn = nonces.map((nonce) => Buffer.from(nonce).toString("hex"));
  expect(new Set(drawn).size).toBe(nonces.length);
  for (let i = 0; i < 3000; i += 1) randomNonce(24).fill(0);
  expect(nonces.map((nonce) => Buffer.from(nonce).toString("hex"))).toEqual(drawn);
  expect(() => randomNonce(8193)).toThrow(RangeError);
});

test("a secret has memory of its own", () => {
  expect(randomSecret(32).buffer.byteLength).toBe(32);
  expect(randomSecret(32)).not.toEqual(randomSecret(32));
});

test("UUIDs go to bytes and back; what is none is refused", () => {
  const bytes = new Uint8Array(20);
  for (let i = 0; i < 100; i++) {
    const id = uuid();
    expect(isUuid(id)).toBe(true);
    writeUuid(id, bytes, 3);
    expect(uuidText(bytes, 3)).toBe(id);
  }
  const id = uuid();
  for (const bad of [
    "",
    id.slice(1),
    id.toUpperCase().replace(/\d/g, "A"),
    id.replace("-", "0"),
    `${id}0`,
    "g".repeat(36),
  ]) {
    expect(() => writeUuid(bad, bytes, 0)).toThrow(TypeError);
  }
});
