import { KCV_BYTES } from "../crypto/key-check-value.ts";
import { UUID_BYTES, writeUuid } from "../crypto/uuid-bytes.ts";
import { malformed, WRAPPED_KEK_BYTES } from "../crypto/wrapped-kek.ts";
import type { KekBatchRow, KekRefusal } from "./crypto-unit.ts";

/**
 * Rows of a batch as they go to the thread or process that does the work: project id (16) ‖ KEK id (16) ‖ KCV (16) ‖ wrapped KEK (73), one
 * behind the other. The first 48 bytes stand in the order in which the MAC of a wrapped KEK reads them.
 */
export const PACKED_ROW_KCV_AT = 2 * UUID_BYTES;
export const PACKED_ROW_WRAPPED_AT = PACKED_ROW_KCV_AT + KCV_BYTES;
export const PACKED_ROW_BYTES = PACKED_ROW_WRAPPED_AT + WRAPPED_KEK_BYTES;

/** Refusals as it answers them, one byte a row; 0 is none. */
export const REFUSAL_CODES = {
  "format-unknown": 1,
  "pattern-not-held": 2,
  "mac-mismatch": 3,
  "unwrap-failed": 4,
  "check-value-mismatch": 5,
} as const satisfies Record<KekRefusal, number>;

const REFUSAL_BY_CODE = new Map<number, KekRefusal>(
  (Object.keys(REFUSAL_CODES) as KekRefusal[]).map((refusal) => [REFUSAL_CODES[refusal], refusal]),
);

/** The refusal that a byte of the thread's answer stands for; `undefined` for 0. */
export function refusalOf(code: number | undefined): KekRefusal | undefined {
  if (code === 0) return undefined;
  const refusal = REFUSAL_BY_CODE.get(code ?? -1);
  if (!refusal) throw new TypeError("a batch was answered with an unknown code");
  return refusal;
}

export interface PackedRows {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** By index of the row: those that cannot even be packed. Their place in `bytes` is zeros, which no MAC matches. */
  readonly malformed: ReadonlyMap<number, KekRefusal>;
}

export function packRows(rows: readonly KekBatchRow[]): PackedRows {
  const bytes = new Uint8Array(rows.length * PACKED_ROW_BYTES);
  const refused = new Map<number, KekRefusal>();
  rows.forEach((row, index) => {
    const refusal = malformed(row, row.kcv, row.blob);
    if (refusal) {
      refused.set(index, refusal);
      return;
    }
    const at = index * PACKED_ROW_BYTES;
    writeUuid(row.projectId, bytes, at);
    writeUuid(row.kekId, bytes, at + UUID_BYTES);
    bytes.set(row.kcv, at + PACKED_ROW_KCV_AT);
    bytes.set(row.blob, at + PACKED_ROW_WRAPPED_AT);
  });
  return { bytes, malformed: refused };
}
