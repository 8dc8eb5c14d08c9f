import { bindingOf, CHUNK_BYTES, ChunkSealer } from "../crypto/chunk-stream.ts";
import type { StoreSnapshot } from "../ports/backup-store.ts";
import type { SecretBytes } from "../secret/secret-bytes.ts";
import type { BackupHeader } from "./backup-header.ts";
import { encodeHeader } from "./backup-header.ts";
import { encodeRow, encodeTable } from "./row-lines.ts";

/** "claviger backup" and the number of the format, so that any tool tells what it is. */
export const BACKUP_MAGIC = Buffer.from("claviger backup 1\n", "latin1");

/** Rows that are read at a time: a page is encoded in a few milliseconds, and requests are served in between. */
const PAGE_ROWS = 500;

/**
 * A whole backup as its bytes, in pieces of one chunk: header, then every row of the snapshot. It holds no more than a page
 * and a chunk at any time. `onRows` is told how many rows are in it so far.
 */
export async function* writeBackup(
  snapshot: Pick<StoreSnapshot, "readRows" | "counts">,
  header: BackupHeader,
  fileKey: SecretBytes,
  onRows: (written: number) => void,
): AsyncGenerator<Uint8Array> {
  const head = backupHead(header);
  yield head;
  const sealer = new ChunkSealer(fileKey, bindingOf(head));
  let pending: Buffer = Buffer.alloc(0);
  for await (const text of lines(snapshot, onRows)) {
    pending = Buffer.concat([pending, Buffer.from(text, "utf8")]);
    // What fills a chunk exactly is kept: it may be the last one.
    while (pending.byteLength > CHUNK_BYTES) {
      yield sealer.seal(pending.subarray(0, CHUNK_BYTES), false);
      pending = pending.subarray(CHUNK_BYTES);
    }
  }
  yield sealer.seal(pending, true);
}

/** Everything in front of the chunks: magic ‖ u32(length of the header) ‖ header. */
function backupHead(header: BackupHeader): Uint8Array {
  const json = encodeHeader(header);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.byteLength);
  return Buffer.concat([BACKUP_MAGIC, length, json]);
}

async function* lines(
  snapshot: Pick<StoreSnapshot, "readRows" | "counts">,
  onRows: (written: number) => void,
): AsyncGenerator<string> {
  let written = 0;
  for (const { table } of snapshot.counts) {
    let page = await snapshot.readRows({ table, after: undefined, limit: PAGE_ROWS });
    if (page.rows.length > 0) yield encodeTable(page);
    for (;;) {
      if (page.rows.length > 0) yield page.rows.map(encodeRow).join("");
      onRows((written += page.rows.length));
      if (page.next === undefined) break;
      page = await snapshot.readRows({ table, after: page.next, limit: PAGE_ROWS });
    }
  }
}
