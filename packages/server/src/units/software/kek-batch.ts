import { unwrapBatch, wrapBatch } from "../../core/crypto/aes-kwp-batch.ts";
import { KekMac } from "../../core/crypto/kek-mac.ts";
import { KEK_BYTES, KeyCheckValues } from "../../core/crypto/key-check-value.ts";
import type { MasterKeyPair } from "../../core/crypto/master-key-pair.ts";
import {
  KWP_AT,
  KWP_BYTES,
  MAC_AT,
  WRAPPED_KEK_BYTES,
  WRAPPED_KEK_FORMAT,
} from "../../core/crypto/wrapped-kek.ts";
import type { GroupName, MasterKeyType, Vp } from "../../core/ids.ts";
import {
  PACKED_ROW_BYTES,
  PACKED_ROW_KCV_AT,
  PACKED_ROW_WRAPPED_AT,
  REFUSAL_CODES,
} from "../../core/unit/packed-rows.ts";

/**
 * Batches of wrapped KEKs, opened and wrapped again over whole arrays. Pure computation: it runs in the batch thread,
 * holds no registers and keeps nothing between two calls. KEKs and every intermediate buffer are wiped.
 */
export interface MasterKeyInUse {
  readonly vp: Vp;
  readonly pair: MasterKeyPair;
}

export interface BatchScope {
  readonly group: GroupName;
  readonly type: MasterKeyType;
}

/** For each row its refusal, as its index in REFUSAL_CODES, or 0; and for `reencipherRows` the new blobs, zeros where refused. */
export interface BatchOutcome {
  readonly refusals: Uint8Array<ArrayBuffer>;
  readonly blobs: Uint8Array<ArrayBuffer>;
}

/** Opens every packed row under `from` and closes it again. */
export function verifyRows(rows: Uint8Array, scope: BatchScope, from: MasterKeyInUse): BatchOutcome {
  const { refusals, keks } = openRows(rows, scope, from);
  keks.fill(0);
  return { refusals, blobs: new Uint8Array(0) };
}

/**
 * Moves every packed row from master key `from` to `to`. A new blob is opened again under `to`, and the check value
 * of what it holds compared with the row's, before it is given out.
 */
export function reencipherRows(
  rows: Uint8Array,
  scope: BatchScope,
  from: MasterKeyInUse,
  to: MasterKeyInUse,
): BatchOutcome {
  const { refusals, keks } = openRows(rows, scope, from);
  const wrapped = wrapBatch(to.pair.wrapping, keks);
  keks.fill(0);
  const reopened = unwrapBatch(to.pair.wrapping, wrapped);
  const blobs = new Uint8Array(refusals.byteLength * WRAPPED_KEK_BYTES);
  using checkValues = new KeyCheckValues();
  using mac = macOf(scope, to);
  for (let row = 0; row < refusals.byteLength; row++) {
    if (refusals[row] !== 0) continue;
    const at = row * PACKED_ROW_BYTES;
    if (reopened.refused[row] !== 0) refusals[row] = REFUSAL_CODES["unwrap-failed"];
    else if (!checkValues.matches(reopened.keys, row * KEK_BYTES, rows, at + PACKED_ROW_KCV_AT)) {
      refusals[row] = REFUSAL_CODES["check-value-mismatch"];
    } else {
      copyBytes(rows, at, mac.row, 0, PACKED_ROW_WRAPPED_AT);
      copyBytes(wrapped, row * KWP_BYTES, mac.row, PACKED_ROW_WRAPPED_AT, KWP_BYTES);
      mac.compute();
      const blobAt = row * WRAPPED_KEK_BYTES;
      blobs[blobAt] = WRAPPED_KEK_FORMAT;
      copyBytes(wrapped, row * KWP_BYTES, blobs, blobAt + KWP_AT, KWP_BYTES);
      copyBytes(mac.tag, 0, blobs, blobAt + MAC_AT, WRAPPED_KEK_BYTES - MAC_AT);
    }
  }
  reopened.keys.fill(0);
  return { refusals, blobs };
}

/** The KEK of each row, zeros where it is refused. A row whose MAC differs is not unwrapped. */
function openRows(
  rows: Uint8Array,
  scope: BatchScope,
  from: MasterKeyInUse,
): { refusals: Uint8Array<ArrayBuffer>; keks: Uint8Array } {
  const count = rows.byteLength / PACKED_ROW_BYTES;
  const refusals = new Uint8Array(count);
  const wrapped = new Uint8Array(count * KWP_BYTES);
  using mac = macOf(scope, from);
  for (let row = 0; row < count; row++) {
    const at = row * PACKED_ROW_BYTES;
    const blobAt = at + PACKED_ROW_WRAPPED_AT;
    copyBytes(rows, at, mac.row, 0, PACKED_ROW_WRAPPED_AT);
    copyBytes(rows, blobAt + KWP_AT, mac.row, PACKED_ROW_WRAPPED_AT, KWP_BYTES);
    if (rows[blobAt] !== WRAPPED_KEK_FORMAT) refusals[row] = REFUSAL_CODES["format-unknown"];
    else if (!mac.matches(rows, blobAt + MAC_AT)) refusals[row] = REFUSAL_CODES["mac-mismatch"];
    else copyBytes(rows, blobAt + KWP_AT, wrapped, row * KWP_BYTES, KWP_BYTES);
  }
  const unwrapped = unwrapBatch(from.pair.wrapping, wrapped);
  using checkValues = new KeyCheckValues();
  for (let row = 0; row < count; row++) {
    if (refusals[row] !== 0) continue;
    const at = row * PACKED_ROW_BYTES + PACKED_ROW_KCV_AT;
    if (unwrapped.refused[row] !== 0) refusals[row] = REFUSAL_CODES["unwrap-failed"];
    else if (!checkValues.matches(unwrapped.keys, row * KEK_BYTES, rows, at)) {
      refusals[row] = REFUSAL_CODES["check-value-mismatch"];
      unwrapped.keys.fill(0, row * KEK_BYTES, (row + 1) * KEK_BYTES);
    }
  }
  return { refusals, keks: unwrapped.keys };
}

function macOf(scope: BatchScope, key: MasterKeyInUse): KekMac {
  return new KekMac(key.pair.mac, { format: WRAPPED_KEK_FORMAT, ...scope, vp: key.vp });
}

function copyBytes(
  from: Uint8Array,
  fromAt: number,
  to: Uint8Array,
  toAt: number,
  lengthBytes: number,
): void {
  for (let i = 0; i < lengthBytes; i++) to[toAt + i] = from[fromAt + i] ?? 0;
}
