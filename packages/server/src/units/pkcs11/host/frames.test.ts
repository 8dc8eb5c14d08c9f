import fc from "fast-check";
import { expect, test } from "vitest";
import {
  FRAME_LIMIT_BYTES,
  FrameError,
  FrameReader,
  FrameWriter,
  itemsOf,
  PAYLOAD_LIMIT_BYTES,
} from "./frames.ts";

const item = fc.record({
  id: fc.nat({ max: 0xffff_ffff }),
  code: fc.nat({ max: 255 }),
  payload: fc.uint8Array({ maxLength: 20_000 }),
});
const frames = fc.array(fc.array(item, { minLength: 1, maxLength: 70 }), { minLength: 1, maxLength: 4 });

function written(items: readonly { id: number; code: number; payload: Uint8Array }[]): Buffer {
  const writer = new FrameWriter();
  for (const one of items) writer.add(one);
  return writer.take();
}

test("frames come out as they went in, in whatever pieces the stream comes, and nothing stays in the pieces", () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat({ max: 5_000 }), { minLength: 1, maxLength: 20 }), (sent, sizes) => {
      const stream = Buffer.concat(sent.map(written));
      const reader = new FrameReader();
      const read: Buffer[] = [];
      for (let at = 0, turn = 0; at < stream.byteLength; turn += 1) {
        const end = at + 1 + (sizes[turn % sizes.length] ?? 0);
        read.push(...reader.push(stream.subarray(at, end)));
        at = end;
      }
      expect(stream.every((byte) => byte === 0)).toBe(true);
      const plain = read.map((frame) =>
        itemsOf(frame).map(({ id, code, payload }) => ({ id, code, payload: Uint8Array.from(payload) })),
      );
      expect(plain).toEqual(sent);
    }),
    { numRuns: 60 },
  );
});

test("a frame has its length, then id, code, length and bytes of each item, big-endian", () => {
  const frame = written([
    { id: 0x01020304, code: 5, payload: Uint8Array.of(0xaa, 0xbb) },
    { id: 6, code: 0xff, payload: new Uint8Array(0) },
  ]);
  expect(frame.toString("hex")).toBe("00000014010203040500000002aabb00000006ff00000000");
});

test("a frame is at most 16 MiB long, and so is what a reader sets aside for one", () => {
  const payload = new Uint8Array(PAYLOAD_LIMIT_BYTES);
  const writer = new FrameWriter();
  writer.add({ id: 1, code: 1, payload });
  expect(() => writer.add({ id: 2, code: 1, payload: new Uint8Array(0) })).toThrow(FrameError);
  const frame = writer.take();
  expect(frame.byteLength).toBe(4 + FRAME_LIMIT_BYTES);
  expect(itemsOf(new FrameReader().push(frame)[0] ?? Buffer.alloc(0))).toHaveLength(1);

  const length = Buffer.alloc(4);
  length.writeUInt32BE(FRAME_LIMIT_BYTES + 1);
  expect(() => new FrameReader().push(length)).toThrow(FrameError);
  length.writeUInt32BE(8);
  expect(() => new FrameReader().push(length)).toThrow(FrameError);
});

test("refuses items that go beyond their frame", () => {
  const bytes = written([{ id: 1, code: 1, payload: Uint8Array.of(1, 2, 3) }]).subarray(4);
  expect(itemsOf(bytes)).toHaveLength(1);
  expect(() => itemsOf(bytes.subarray(0, -1))).toThrow(FrameError);
  expect(() => itemsOf(Buffer.concat([bytes, Buffer.alloc(8)]))).toThrow(FrameError);
});
