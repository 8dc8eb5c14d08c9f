/**
 * What goes over the pipe between the daemon and a unit host: frames of binary items, never strings, so that a PIN or a
 * plaintext can be wiped from every buffer it was in. Numbers are unsigned and big-endian.
 *
 *   frame    u32 length of what follows | one or more items
 *   request  u32 id | u8 operation | u32 length | bytes
 *   reply    u32 id | u8 status    | u32 length | bytes
 *
 * A frame is one write, and many items in it are what makes a call cheap.
 */

/** No frame is longer, so neither is what a wrong length could make the other side set aside. */
export const FRAME_LIMIT_BYTES = 16 * 1024 * 1024;
const LENGTH_BYTES = 4;
const ITEM_HEADER_BYTES = 9;
/** No payload is longer: it must fit into a frame of its own. */
export const PAYLOAD_LIMIT_BYTES = FRAME_LIMIT_BYTES - ITEM_HEADER_BYTES;

/** Room for a batch of short requests, so that most frames are never moved while they grow. */
const USUAL_FRAME_BYTES = 8 * 1024;

export interface FrameItem {
  readonly id: number;
  /** The operation of a request, the status of a reply: 0 to 255. */
  readonly code: number;
  readonly payload: Uint8Array;
}

/** The bytes cannot be a frame, or not within the limit. The stream is of no use any more. */
export class FrameError extends Error {}

/** How many bytes a frame grows by with this payload. */
export function itemBytes(payload: Uint8Array): number {
  return ITEM_HEADER_BYTES + payload.byteLength;
}

/** Puts one frame together. Payloads are copied at once. */
export class FrameWriter {
  #buffer = Buffer.allocUnsafeSlow(USUAL_FRAME_BYTES);
  #end = LENGTH_BYTES;

  get isEmpty(): boolean {
    return this.#end === LENGTH_BYTES;
  }

  /** Whether this payload can still be added. A payload within its limit always fits into an empty frame. */
  hasRoomFor(payload: Uint8Array): boolean {
    return this.#end - LENGTH_BYTES + itemBytes(payload) <= FRAME_LIMIT_BYTES;
  }

  /** @throws FrameError when the frame would be longer than its limit; it stays as it was. */
  add({ id, code, payload }: FrameItem): void {
    if (!this.hasRoomFor(payload)) throw new FrameError(`a frame of more than ${FRAME_LIMIT_BYTES} bytes`);
    const start = this.#end;
    this.#end += itemBytes(payload);
    if (this.#end > this.#buffer.byteLength) this.#grow(start);
    this.#buffer.writeUInt32BE(id, start);
    this.#buffer.writeUInt8(code, start + 4);
    this.#buffer.writeUInt32BE(payload.byteLength, start + 5);
    this.#buffer.set(payload, start + ITEM_HEADER_BYTES);
  }

  /** The frame, to be wiped by whoever writes it. The next one begins empty. */
  take(): Buffer {
    const frame = this.#buffer.subarray(0, this.#end);
    frame.writeUInt32BE(this.#end - LENGTH_BYTES, 0);
    this.#buffer = Buffer.allocUnsafeSlow(USUAL_FRAME_BYTES);
    this.#end = LENGTH_BYTES;
    return frame;
  }

  #grow(usedBytes: number): void {
    const old = this.#buffer;
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(this.#end, 2 * old.byteLength));
    old.copy(this.#buffer, 0, 0, usedBytes);
    old.fill(0);
  }
}

/**
 * Finds the frames in a stream, in whatever pieces it comes. Each byte is copied once, into the frame that it belongs
 * to, and wiped where it came from: the chunks are given away.
 */
export class FrameReader {
  readonly #length = Buffer.alloc(LENGTH_BYTES);
  #lengthFilled = 0;
  #frame: Buffer | undefined;
  #filled = 0;

  /**
   * The frames that this chunk completes, without their lengths: see `itemsOf`. Whoever gets them wipes them.
   * @throws FrameError when a length is beyond the limit, or too short for an item.
   */
  push(chunk: Buffer): Buffer[] {
    const frames: Buffer[] = [];
    for (let at = 0; at < chunk.byteLength;) {
      if (!this.#frame) {
        const copied = chunk.copy(this.#length, this.#lengthFilled, at);
        this.#lengthFilled += copied;
        at += copied;
        if (this.#lengthFilled === LENGTH_BYTES) this.#begin();
      } else {
        const copied = chunk.copy(this.#frame, this.#filled, at);
        this.#filled += copied;
        at += copied;
        if (this.#filled === this.#frame.byteLength) {
          frames.push(this.#frame);
          this.#frame = undefined;
        }
      }
    }
    chunk.fill(0);
    return frames;
  }

  #begin(): void {
    const length = this.#length.readUInt32BE(0);
    if (length < ITEM_HEADER_BYTES || length > FRAME_LIMIT_BYTES) {
      throw new FrameError(`a frame of ${length} bytes`);
    }
    this.#frame = Buffer.allocUnsafeSlow(length);
    this.#filled = 0;
    this.#lengthFilled = 0;
  }
}

/**
 * The items of a frame. Their payloads are views of it, and so end with it.
 * @throws FrameError when an item goes beyond the frame.
 */
export function itemsOf(frame: Buffer): FrameItem[] {
  const items: FrameItem[] = [];
  for (let at = 0; at < frame.byteLength;) {
    const start = at + ITEM_HEADER_BYTES;
    if (start > frame.byteLength) throw new FrameError("half an item at the end of a frame");
    const end = start + frame.readUInt32BE(at + 5);
    if (end > frame.byteLength) throw new FrameError("an item that goes beyond its frame");
    const payload = frame.subarray(start, end);
    items.push({ id: frame.readUInt32BE(at), code: frame.readUInt8(at + 4), payload });
    at = end;
  }
  return items;
}
