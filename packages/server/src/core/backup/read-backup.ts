import { openFileKey } from "../crypto/backup-file-key.ts";
import { bindingOf, CHUNK_BYTES, CHUNK_TAG_BYTES, ChunkOpener } from "../crypto/chunk-stream.ts";
import { Failure, isFailure } from "../errors.ts";
import { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { KekRecord, KeyVersionRecord } from "../hierarchy/records.ts";
import type { Alarms } from "../ports/alarms.ts";
import type { BackupSource } from "../ports/backup-folder.ts";
import type { TableRows } from "../ports/backup-store.ts";
import type { SecretBytes } from "../secret/secret-bytes.ts";
import type { AttachedUnits } from "../unit/attached-units.ts";
import { readingOf } from "../unit/attached-units.ts";
import type { BackupHeader, PastChange } from "./backup-header.ts";
import { HEADER_LIMIT_BYTES, parseHeader } from "./backup-header.ts";
import { describeMissingKey } from "./describe-missing-key.ts";
import { parseLine } from "./row-lines.ts";
import { BACKUP_MAGIC } from "./write-backup.ts";

const SEALED_CHUNK_BYTES = CHUNK_BYTES + CHUNK_TAG_BYTES;
const FORMAT_AT = BACKUP_MAGIC.byteLength - 2;

/** A header that was read, and where the chunks begin. It is not authenticated before `readRows` has opened a chunk. */
export interface ReadHeader {
  readonly header: BackupHeader;
  readonly head: Uint8Array;
}

/** @throws Failure `backup-damaged` for what is no backup, `backup-newer` for a format of a newer release. */
export async function readHeader(source: BackupSource): Promise<ReadHeader> {
  const start = await source.read(0, BACKUP_MAGIC.byteLength + 4);
  const magic = Buffer.from(start.subarray(0, BACKUP_MAGIC.byteLength));
  if (!magic.equals(BACKUP_MAGIC)) {
    const sameKind = magic.subarray(0, FORMAT_AT).equals(BACKUP_MAGIC.subarray(0, FORMAT_AT));
    if (sameKind && /^[2-9]\n$/.test(magic.toString("latin1", FORMAT_AT)))
      throw new Failure("backup-newer", `${source.name} has a format of a newer release`);
    throw new Failure(
      "backup-damaged",
      `${source.name} is no backup of Claviger, or its beginning is damaged`,
    );
  }
  if (start.byteLength < BACKUP_MAGIC.byteLength + 4) throw cut(source);
  const lengthBytes = Buffer.from(start).readUInt32BE(BACKUP_MAGIC.byteLength);
  if (lengthBytes > HEADER_LIMIT_BYTES)
    throw new Failure("backup-damaged", `the header of ${source.name} is longer than any that is written`);
  const json = await source.read(start.byteLength, lengthBytes);
  if (json.byteLength < lengthBytes) throw cut(source);
  return { header: parseHeader(json), head: Buffer.concat([start, json]) };
}

/**
 * The file key of a backup, opened by the units at hand; the caller wipes it. `history` are changes that are known from
 * elsewhere, to say why a unit has not the master key.
 * @throws Failure `backup-needs-unit` when no unit holds a pattern that opens it, `backup-damaged` when it does not open.
 */
export async function openBackup(
  ports: { readonly units: AttachedUnits; readonly alarms: Alarms },
  header: BackupHeader,
  history: readonly PastChange[],
): Promise<SecretBytes> {
  requireUnits(ports.units, header, history);
  const { kek } = header;
  const record: KekRecord = {
    ...kek,
    wrapped: kek.wrapped[0] ?? refuse("its header has no wrapped KEK"),
    wrappedNew: kek.wrapped[1],
    wrappedOld: kek.wrapped[2],
  };
  const sealingKey: KeyVersionRecord = {
    keyId: header.sealingKey.id,
    projectId: kek.projectId,
    version: header.sealingKey.version,
    kekId: kek.id,
    wrapped: header.sealingKey.wrapped,
    publicKey: undefined,
    createdAtMs: header.createdAtMs,
    mac: new Uint8Array(),
  };
  const materials = new OpenedMaterials({ ...ports, store: { readKek: async () => record } });
  try {
    const fileKey = await materials.withMaterial(sealingKey, (opened) =>
      openFileKey(sealingKey, opened, header.fileKey),
    );
    return fileKey === "refused" ? refuse("its file key does not open") : fileKey;
  } catch (error) {
    if (isFailure(error, "no-serving-unit")) {
      const { group, type } = kek;
      const needed = kek.wrapped.map(({ vp }) => vp);
      const past = header.masterKeys.flatMap(({ changes }) => changes);
      const why = describeMissingKey(ports.units, { group, type, needed, past, history });
      throw new Failure("backup-needs-unit", why, { cause: error });
    }
    if (isFailure(error, "kek-not-opened", "record-not-vouched"))
      throw new Failure("backup-damaged", "the backup does not open: its header was changed", {
        cause: error,
      });
    throw error;
  }
}

/** A unit of each group holds the master key in use: one that opens only forms from before has not the newest keys. */
function requireUnits(units: AttachedUnits, header: BackupHeader, history: readonly PastChange[]): void {
  for (const { group, type, current, changes } of header.masterKeys) {
    const holds = units.inGroup(group).some((unit) => {
      const reading = readingOf(unit, type);
      return [reading?.CURRENT.vp, reading?.OLD.vp].includes(current);
    });
    if (holds) continue;
    const why = describeMissingKey(units, { group, type, needed: [current], past: changes, history });
    throw new Failure("backup-needs-unit", why);
  }
}

function refuse(what: string): never {
  throw new Failure("backup-damaged", `the backup does not open: ${what}`);
}

/**
 * Every row of a backup, table after table, at most `limit` at a time, each from chunks that have opened. Ends only when
 * the last chunk has, and the rows are as many as the header says.
 * @throws Failure `backup-damaged`, which names the chunk.
 */
export async function* readRows(
  source: BackupSource,
  { header, head }: ReadHeader,
  fileKey: SecretBytes,
  limit: number,
): AsyncGenerator<TableRows> {
  const left = new Map(header.tables.map(({ table, rows }) => [table, rows]));
  let table: Omit<TableRows, "rows"> | undefined;
  let rows: TableRows["rows"][number][] = [];
  for await (const line of readLines(source, head, fileKey)) {
    const parsed = parseLine(line);
    if (!("row" in parsed)) {
      if (table && rows.length > 0) yield { ...table, rows };
      [table, rows] = [parsed, []];
      continue;
    }
    const open = left.get(table?.table ?? "") ?? 0;
    if (!table || open === 0 || parsed.row.length !== table.columns.length)
      throw new Failure("backup-damaged", "the backup holds rows that its header does not count");
    left.set(table.table, open - 1);
    rows.push(parsed.row);
    if (rows.length >= limit) {
      yield { ...table, rows };
      rows = [];
    }
  }
  if (table && rows.length > 0) yield { ...table, rows };
  const missing = [...left].filter(([, count]) => count > 0).map(([name]) => name);
  if (missing.length > 0)
    throw new Failure(
      "backup-damaged",
      `the backup lacks rows that its header counts: ${missing.join(", ")}`,
    );
}

async function* readLines(
  source: BackupSource,
  head: Uint8Array,
  fileKey: SecretBytes,
): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of openChunks(source, head, fileKey)) {
    const bytes = rest.byteLength === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    let at = 0;
    for (let end = bytes.indexOf(0x0a, at); end >= 0; end = bytes.indexOf(0x0a, at)) {
      yield bytes.toString("utf8", at, end);
      at = end + 1;
    }
    rest = bytes.subarray(at);
  }
  if (rest.byteLength > 0) throw new Failure("backup-damaged", "the backup ends within a line");
}

async function* openChunks(
  source: BackupSource,
  head: Uint8Array,
  fileKey: SecretBytes,
): AsyncGenerator<Uint8Array> {
  const opener = new ChunkOpener(fileKey, bindingOf(head));
  const count = Math.ceil((source.sizeBytes - head.byteLength) / SEALED_CHUNK_BYTES);
  if (count < 1) throw cut(source);
  for (let i = 0; i < count; i += 1) {
    const sealed = await source.read(head.byteLength + i * SEALED_CHUNK_BYTES, SEALED_CHUNK_BYTES);
    const opened = opener.open(sealed, i === count - 1);
    if (opened === "refused")
      throw new Failure(
        "backup-damaged",
        `chunk ${i + 1} of ${count} of ${source.name} does not open: it was changed, moved, or belongs to another backup, or the file was cut off or goes on behind its end`,
      );
    yield opened;
  }
}

function cut(source: BackupSource): Failure {
  return new Failure("backup-damaged", `${source.name} was cut off in or right behind its header`);
}
