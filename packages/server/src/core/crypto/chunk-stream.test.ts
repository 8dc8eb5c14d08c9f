import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SecretBytes } from "../secret/secret-bytes.ts";
import { bindingOf, CHUNK_BYTES, CHUNK_TAG_BYTES, ChunkOpener, ChunkSealer } from "./chunk-stream.ts";

const key = (): SecretBytes => new SecretBytes(Uint8Array.from(randomBytes(32)));
const head = bindingOf(Buffer.from("head"));

function sealAll(fileKey: SecretBytes, plaintext: Uint8Array): Uint8Array[] {
  const sealer = new ChunkSealer(fileKey, head);
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (; plaintext.byteLength - at > CHUNK_BYTES; at += CHUNK_BYTES)
    chunks.push(sealer.seal(plaintext.subarray(at, at + CHUNK_BYTES), false));
  chunks.push(sealer.seal(plaintext.subarray(at), true));
  return chunks;
}

function openAll(
  fileKey: SecretBytes,
  chunks: readonly Uint8Array[],
  binding = head,
): Uint8Array | "refused" {
  const opener = new ChunkOpener(fileKey, binding);
  const opened: Uint8Array[] = [];
  for (const [i, chunk] of chunks.entries()) {
    const plaintext = opener.open(chunk, i === chunks.length - 1);
    if (plaintext === "refused") return "refused";
    opened.push(plaintext);
  }
  return Buffer.concat(opened);
}

const FOUR_CHUNKS = randomBytes(3 * CHUNK_BYTES + 77);

test("opens what was sealed, whatever its length, the whole multiples of a chunk among them", () => {
  for (const length of [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES]) {
    const fileKey = key();
    const plaintext = randomBytes(length);
    const chunks = sealAll(fileKey, plaintext);
    expect(chunks).toHaveLength(Math.max(1, Math.ceil(length / CHUNK_BYTES)));
    expect(Buffer.from(openAll(fileKey, chunks) as Uint8Array).equals(plaintext)).toBe(true);
  }
});

test("refuses a chunk with one bit changed, wherever it is", () => {
  const fileKey = key();
  const chunks = sealAll(fileKey, FOUR_CHUNKS);
  fc.assert(
    fc.property(fc.nat(3), fc.nat(), fc.nat(7), (which, where, bit) => {
      const changed = chunks.map((chunk) => Uint8Array.from(chunk));
      const chunk = changed[which] as Uint8Array;
      const at = where % chunk.byteLength;
      chunk[at] = (chunk[at] ?? 0) ^ (1 << bit);
      expect(openAll(fileKey, changed)).toBe("refused");
    }),
    { numRuns: 60 },
  );
});

test("refuses chunks that were left out, repeated, exchanged, cut short or added", () => {
  const fileKey = key();
  const chunks = sealAll(fileKey, FOUR_CHUNKS) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const [a, b, c, d] = chunks;
  const other = sealAll(key(), FOUR_CHUNKS);
  const again = sealAll(fileKey, FOUR_CHUNKS.subarray(0, CHUNK_BYTES));
  const wrong = [
    [a],
    [a, b, c],
    [a, c, d],
    [b, c, d],
    [a, a, b, c, d],
    [b, a, c, d],
    [a, c, b, d],
    [a, b, c, d, d],
    [a, b, d, c],
    [a, b, c, d.subarray(0, d.byteLength - 1)],
    [a, b, c, d.subarray(0, CHUNK_TAG_BYTES - 1)],
    [a, b, c, Buffer.concat([d, Buffer.of(0)])],
    [a, b, other[2], d],
    [...again, b, c, d],
  ];
  for (const [i, each] of wrong.entries()) {
    expect(openAll(fileKey, each as Uint8Array[]), `case ${i}`).toBe("refused");
  }
  expect(openAll(fileKey, chunks, bindingOf(Buffer.from("another head")))).toBe("refused");
  expect(openAll(key(), chunks)).toBe("refused");
});

test("seals nothing but whole chunks in front of the last", () => {
  const sealer = new ChunkSealer(key(), head);
  expect(() => sealer.seal(new Uint8Array(5), false)).toThrow(RangeError);
  expect(() => sealer.seal(new Uint8Array(CHUNK_BYTES + 1), true)).toThrow(RangeError);
});
