import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, timingSafeEqual } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/**
 * The floor for re-enciphering: the loop that anyone would write first. Row by row AES-KWP (RFC 5649) with node:crypto,
 * a cipher object for each step: unwrap under the old key, wrap under the new one, unwrap again and compare; then an
 * UPDATE of that row. No MAC, no check value, no fence, no thread: less than what Claviger does for each row.
 * SQLite in WAL with synchronous=FULL, transactions of 500 rows, in the order of the primary key.
 */
export const TRANSACTION_ROWS = 500;
const CIPHER = "id-aes256-wrap-pad";
const IV = Buffer.from("a65959a6", "hex");

export interface FloorRewrapOptions {
  readonly rows: number;
  /** Where the database file is made and removed again; the disk should be the one that the candidate writes to. */
  readonly folder?: string;
}

export interface FloorRewrap {
  readonly rows: number;
  readonly seconds: number;
  readonly rowsPerSecond: number;
}

/** Fills a table with wrapped keys, then rewraps all of them and says how fast that went; filling is not counted. */
export function floorRewrap({ rows, folder = tmpdir() }: FloorRewrapOptions): FloorRewrap {
  const place = mkdtempSync(join(folder, "claviger-floor-"));
  const database = new DatabaseSync(join(place, "floor.sqlite"));
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    database.exec("CREATE TABLE kek (n INTEGER PRIMARY KEY, wrapped BLOB NOT NULL) STRICT");
    const oldKey = createSecretKey(randomBytes(32));
    const newKey = createSecretKey(randomBytes(32));
    fill(database, oldKey, rows);
    const started = process.hrtime.bigint();
    rewrapAll(database, oldKey, newKey);
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    return { rows, seconds, rowsPerSecond: Math.round(rows / seconds) };
  } finally {
    database.close();
    rmSync(place, { recursive: true });
  }
}

function fill(database: DatabaseSync, key: KeyObject, rows: number): void {
  const insert = database.prepare("INSERT INTO kek (n, wrapped) VALUES (?, ?)");
  database.exec("BEGIN");
  for (let n = 1; n <= rows; n++) insert.run(n, wrap(key, randomBytes(32)));
  database.exec("COMMIT");
}

function rewrapAll(database: DatabaseSync, oldKey: KeyObject, newKey: KeyObject): void {
  const select = database.prepare("SELECT n, wrapped FROM kek WHERE n > ? ORDER BY n LIMIT ?");
  const update = database.prepare("UPDATE kek SET wrapped = ? WHERE n = ?");
  let last = 0;
  for (;;) {
    const batch = select.all(last, TRANSACTION_ROWS);
    if (batch.length === 0) return;
    database.exec("BEGIN IMMEDIATE");
    for (const { n, wrapped } of batch) {
      if (typeof n !== "number" || !(wrapped instanceof Uint8Array))
        throw new TypeError("not a row of the floor");
      update.run(rewrap(oldKey, newKey, wrapped), n);
      last = n;
    }
    database.exec("COMMIT");
  }
}

export function rewrap(oldKey: KeyObject, newKey: KeyObject, wrapped: Uint8Array): Buffer {
  const key = unwrap(oldKey, wrapped);
  const rewrapped = wrap(newKey, key);
  if (!timingSafeEqual(unwrap(newKey, rewrapped), key)) throw new Error("a rewrapped key does not open");
  return rewrapped;
}

export function wrap(key: KeyObject, material: Uint8Array): Buffer {
  const cipher = createCipheriv(CIPHER, key, IV);
  return Buffer.concat([cipher.update(material), cipher.final()]);
}

function unwrap(key: KeyObject, wrapped: Uint8Array): Buffer {
  const decipher = createDecipheriv(CIPHER, key, IV);
  return Buffer.concat([decipher.update(wrapped), decipher.final()]);
}
