import type { RewrapRow } from "../../core/ports/change-store.ts";

/**
 * The same rows with all their bytes in one buffer. Rows go from thread to thread, where every buffer is copied by
 * itself: thousands of small ones cost more than what is done with them.
 */
export function onOneBuffer(rows: readonly RewrapRow[]): readonly RewrapRow[] {
  let lengthBytes = 0;
  for (const { kcv, blob } of rows) lengthBytes += kcv.byteLength + blob.byteLength;
  const buffer = new Uint8Array(lengthBytes);
  let at = 0;
  const place = (bytes: Uint8Array): Uint8Array => {
    const view = buffer.subarray(at, at + bytes.byteLength);
    view.set(bytes);
    at += bytes.byteLength;
    return view;
  };
  return rows.map((row) => ({ ...row, kcv: place(row.kcv), blob: place(row.blob) }));
}
