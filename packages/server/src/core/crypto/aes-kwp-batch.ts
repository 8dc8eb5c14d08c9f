import { createCipheriv, createDecipheriv } from "node:crypto";
import type { Cipheriv, Decipheriv, KeyObject } from "node:crypto";

/**
 * AES-KWP (RFC 5649) of many 32-byte keys under one AES-256 key, byte-identical to `wrapKwp` row by row.
 *
 * The wrapping function W (NIST SP 800-38F §6.1) takes 24 steps for a key of four semiblocks. Each step is one AES
 * block per row, and rows do not depend on each other: so a step is one AES-256-ECB call over a block of each row,
 * 24 calls for a batch instead of a cipher object for each row. ECB is the bare block cipher here, not a mode.
 *
 * Keys of another length are not for this file: callers send them through aes-kwp.ts one by one.
 * Every intermediate buffer is zeroed.
 */
const BATCH_KEY_BYTES = 32;
const BATCH_WRAPPED_BYTES = 40;

const BLOCK_BYTES = 16;
const SEMIBLOCKS = 4;
const STEPS = 6 * SEMIBLOCKS;

/** RFC 5649 §3: alternative initial value for material of 32 bytes. */
const AIV = Uint8Array.of(0xa6, 0x59, 0x59, 0xa6, 0, 0, 0, BATCH_KEY_BYTES);

/** `keys` holds N keys of 32 bytes one behind the other; returns N wrapped keys of 40 bytes. */
export function wrapBatch(kek: KeyObject, keys: Uint8Array): Uint8Array<ArrayBuffer> {
  const rows = rowsOf(keys, BATCH_KEY_BYTES);
  const state = new WrappingState(rows);
  for (let row = 0; row < rows; row++) state.load(row, AIV, 0, keys, row * BATCH_KEY_BYTES);
  const cipher = createCipheriv("aes-256-ecb", kek, null).setAutoPadding(false);
  for (let t = 1; t <= STEPS; t++) {
    const register = (t - 1) % SEMIBLOCKS;
    state.gather(register);
    state.throughCipher(cipher);
    state.xorStep(t);
    state.scatter(register);
  }
  const wrapped = new Uint8Array(rows * BATCH_WRAPPED_BYTES);
  for (let row = 0; row < rows; row++) {
    const at = row * BATCH_WRAPPED_BYTES;
    state.store(row, wrapped, at, wrapped, at + 8);
  }
  state.wipe();
  return wrapped;
}

export interface UnwrappedBatch {
  /** N keys of 32 bytes one behind the other, which the caller wipes; a refused row is zeros. */
  readonly keys: Uint8Array<ArrayBuffer>;
  /** For each row 0, or 1 where the integrity check failed. */
  readonly refused: Uint8Array;
}

/** `wrapped` holds N wrapped keys of 40 bytes. A row that does not unwrap to 32 bytes is refused, alone. */
export function unwrapBatch(kek: KeyObject, wrapped: Uint8Array): UnwrappedBatch {
  const rows = rowsOf(wrapped, BATCH_WRAPPED_BYTES);
  const state = new WrappingState(rows);
  for (let row = 0; row < rows; row++) {
    const at = row * BATCH_WRAPPED_BYTES;
    state.load(row, wrapped, at, wrapped, at + 8);
  }
  const decipher = createDecipheriv("aes-256-ecb", kek, null).setAutoPadding(false);
  for (let t = STEPS; t >= 1; t--) {
    const register = (t - 1) % SEMIBLOCKS;
    state.gather(register);
    state.xorStep(t);
    state.throughCipher(decipher);
    state.scatter(register);
  }
  const keys = new Uint8Array(rows * BATCH_KEY_BYTES);
  const refused = new Uint8Array(rows);
  const initialValue = new Uint8Array(AIV.byteLength);
  for (let row = 0; row < rows; row++) {
    const at = row * BATCH_KEY_BYTES;
    state.store(row, initialValue, 0, keys, at);
    // Constant time: which byte differs must not show. That a row is refused is told to the caller anyway.
    let difference = 0;
    for (let i = 0; i < AIV.byteLength; i++) difference |= (initialValue[i] ?? 0) ^ (AIV[i] ?? 0);
    if (difference !== 0) {
      refused[row] = 1;
      keys.fill(0, at, at + BATCH_KEY_BYTES);
    }
  }
  initialValue.fill(0);
  state.wipe();
  return { keys, refused };
}

function rowsOf(bytes: Uint8Array, rowBytes: number): number {
  if (bytes.byteLength % rowBytes !== 0) throw new RangeError(`a batch is made of rows of ${rowBytes} bytes`);
  return bytes.byteLength / rowBytes;
}

/**
 * The variables of W for all rows: `blocks` holds A and the semiblock at work of each row, as the cipher wants
 * them, `registers[i]` the semiblocks R[i+1]. Words are only moved, never computed with, so byte order does not matter.
 */
class WrappingState {
  readonly #rows: number;
  readonly #blocks: Uint32Array;
  readonly #blockBytes: Uint8Array;
  readonly #registers: readonly Uint32Array[];
  readonly #registerBytes: readonly Uint8Array[];

  constructor(rows: number) {
    this.#rows = rows;
    this.#blocks = new Uint32Array(rows * (BLOCK_BYTES / 4));
    this.#blockBytes = new Uint8Array(this.#blocks.buffer);
    this.#registers = Array.from({ length: SEMIBLOCKS }, () => new Uint32Array(rows * 2));
    this.#registerBytes = this.#registers.map((register) => new Uint8Array(register.buffer));
  }

  /** Sets A of `row` from 8 bytes of `a`, and its semiblocks from 32 bytes of `r`. */
  load(row: number, a: Uint8Array, aAt: number, r: Uint8Array, rAt: number): void {
    for (let i = 0; i < 8; i++) this.#blockBytes[row * BLOCK_BYTES + i] = a[aAt + i] ?? 0;
    let at = rAt;
    for (const bytes of this.#registerBytes) for (let i = 0; i < 8; i++) bytes[row * 8 + i] = r[at++] ?? 0;
  }

  /** Writes A of `row` to 8 bytes of `a`, and its semiblocks to 32 bytes of `r`. */
  store(row: number, a: Uint8Array, aAt: number, r: Uint8Array, rAt: number): void {
    for (let i = 0; i < 8; i++) a[aAt + i] = this.#blockBytes[row * BLOCK_BYTES + i] ?? 0;
    let at = rAt;
    for (const bytes of this.#registerBytes) for (let i = 0; i < 8; i++) r[at++] = bytes[row * 8 + i] ?? 0;
  }

  gather(register: number): void {
    const from = this.#register(register);
    const blocks = this.#blocks;
    for (let row = 0; row < this.#rows; row++) {
      blocks[row * 4 + 2] = from[row * 2] ?? 0;
      blocks[row * 4 + 3] = from[row * 2 + 1] ?? 0;
    }
  }

  scatter(register: number): void {
    const to = this.#register(register);
    const blocks = this.#blocks;
    for (let row = 0; row < this.#rows; row++) {
      to[row * 2] = blocks[row * 4 + 2] ?? 0;
      to[row * 2 + 1] = blocks[row * 4 + 3] ?? 0;
    }
  }

  /** A = A xor t: the step number never passes 24, so it only meets the last byte of A. */
  xorStep(t: number): void {
    const bytes = this.#blockBytes;
    for (let at = 7; at < bytes.byteLength; at += BLOCK_BYTES) bytes[at] = (bytes[at] ?? 0) ^ t;
  }

  throughCipher(cipher: Cipheriv | Decipheriv): void {
    const out = cipher.update(this.#blockBytes);
    this.#blockBytes.set(out);
    out.fill(0);
  }

  wipe(): void {
    this.#blocks.fill(0);
    for (const register of this.#registers) register.fill(0);
  }

  #register(index: number): Uint32Array {
    const register = this.#registers[index];
    if (register === undefined) throw new RangeError("no such semiblock");
    return register;
  }
}
