import { createDecipheriv, createHash, createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { readHeader, readRows } from "../../packages/server/src/core/backup/read-backup.ts";
import { writeBackup } from "../../packages/server/src/core/backup/write-backup.ts";
import type { BackupSource } from "../../packages/server/src/core/ports/backup-folder.ts";
import type {
  RowValue,
  StoreSnapshot,
  TableRows,
} from "../../packages/server/src/core/ports/backup-store.ts";
import { SecretBytes } from "../../packages/server/src/core/secret/secret-bytes.ts";
import vector from "./backup-format.json" with { type: "json" };
import wrappedKeys from "./wrapped-key-format.json" with { type: "json" };

/**
 * The format of docs/backup-format.md, twice: as the code has it, and below as the page says it, with plain node:crypto
 * calls and nothing of the code. Both must read the committed vector, which never changes.
 */
const { masterKey } = wrappedKeys;
const file = Buffer.from(vector.file, "base64");
const LONG = "x".repeat(30_000);

interface Table {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
}
const expected: readonly Table[] = vector.rows.map(({ table, columns, rows }) => ({
  table,
  columns,
  rows: rows.map((row) => row.map((value) => (value === "long" ? LONG : value))),
}));

describe("as the page says it, with plain node:crypto", () => {
  const bytes = (hex: string): Buffer => Buffer.from(hex, "hex");
  const b64 = (text: string): Buffer => Buffer.from(text, "base64");
  const id = (uuid: string): Buffer => bytes(uuid.replaceAll("-", ""));
  const ascii = (text: string): Buffer => Buffer.from(text, "latin1");
  const u32 = (value: number): Buffer => bytes(value.toString(16).padStart(8, "0"));
  const unwrap = (key: Buffer, wrapped: Buffer): Buffer => {
    const kwp = createDecipheriv("id-aes256-wrap-pad", key, bytes("a65959a6"));
    return Buffer.concat([kwp.update(wrapped), kwp.final()]);
  };
  const gcm = (key: Buffer, iv: Buffer, aad: Buffer, sealed: Buffer): Buffer => {
    const decipher = createDecipheriv("aes-256-gcm", key, iv).setAAD(aad).setAuthTag(sealed.subarray(-16));
    return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
  };

  test("a master key opens it", () => {
    expect(file.toString("latin1", 0, 18)).toBe("claviger backup 1\n");
    const headBytes = 22 + file.readUInt32BE(18);
    const header = JSON.parse(file.toString("utf8", 22, headBytes)) as {
      kek: { projectId: string; wrapped: { vp: string; blob: string }[] };
      sealingKey: { id: string; version: number; wrapped: string };
      fileKey: string;
    };
    const form = header.kek.wrapped.find(({ vp }) => vp === masterKey.vp);
    const kek = unwrap(bytes(masterKey.wrappingKey), b64(form?.blob ?? "").subarray(1, 41));
    const material = unwrap(kek, b64(header.sealingKey.wrapped));

    const sealed = b64(header.fileKey);
    const label = [u32(1), ascii("claviger payload 1"), Buffer.of(0), sealed.subarray(22, 38), u32(256)];
    const messageKey = createHmac("sha256", material).update(Buffer.concat(label)).digest();
    const { id: keyId, version } = header.sealingKey;
    const purpose = ascii("backup-file-key");
    const place = [ascii("claviger aad 1"), id(header.kek.projectId), id(keyId), u32(version)];
    const aad = Buffer.concat([...place, u32(purpose.length), purpose, u32(4), u32(0)]);
    const fileKey = gcm(messageKey, Buffer.alloc(12), aad, sealed.subarray(38));
    expect(fileKey.toString("hex")).toBe(vector.fileKey);

    const binding = createHash("sha256").update(file.subarray(0, headBytes)).digest();
    const opened: Buffer[] = [];
    for (let at = headBytes, i = 0; at < file.length; at += 65_552, i += 1) {
      const last = at + 65_552 >= file.length;
      const iv = bytes(i.toString(16).padStart(22, "0") + (last ? "01" : "00"));
      opened.push(gcm(fileKey, iv, binding, file.subarray(at, at + 65_552)));
    }
    expect(opened.length).toBe(2);
    const tables: { table: string; columns: string[]; rows: unknown[] }[] = [];
    for (const line of Buffer.concat(opened).toString("utf8").split("\n").slice(0, -1)) {
      const value: unknown = JSON.parse(line);
      if (Array.isArray(value)) tables.at(-1)?.rows.push(value);
      else tables.push({ ...(value as { table: string; columns: string[] }), rows: [] });
    }
    expect(tables).toEqual(expected);
  });
});

describe("as the code has it", () => {
  const source: BackupSource = {
    name: "the vector",
    sizeBytes: file.byteLength,
    read: async (offset, lengthBytes) => file.subarray(offset, offset + lengthBytes),
    [Symbol.asyncDispose]: async () => undefined,
  };
  const asCode = (value: unknown): RowValue =>
    typeof value === "object" && value !== null
      ? new Uint8Array(Buffer.from((value as { b: string }).b, "base64"))
      : (value as RowValue);
  const rows: readonly TableRows[] = expected.map((table) => ({
    ...table,
    rows: table.rows.map((row) => row.map(asCode)),
  }));
  const fileKey = (): SecretBytes => new SecretBytes(Uint8Array.from(Buffer.from(vector.fileKey, "hex")));

  test("it is read", async () => {
    const read = await readHeader(source);
    using key = fileKey();
    const tables = [];
    for await (const table of readRows(source, read, key, 1_000)) tables.push(table);
    expect(tables).toEqual(rows);
  });

  test("it is written, byte for byte", async () => {
    const { header } = await readHeader(source);
    const counts = header.tables;
    const readTable: StoreSnapshot["readRows"] = async ({ table }) => {
      const found = rows.find((each) => each.table === table);
      if (!found) throw new Error(`the vector has no table ${table}`);
      return { ...found, next: undefined };
    };
    using key = fileKey();
    const written: Uint8Array[] = [];
    for await (const piece of writeBackup({ counts, readRows: readTable }, header, key, () => undefined))
      written.push(piece);
    expect(Buffer.concat(written).equals(file)).toBe(true);
  });
});
