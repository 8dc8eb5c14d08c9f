import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClavigerClient } from "@claviger/sdk";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBackup, readHeader, readRows } from "../../packages/server/src/core/backup/read-backup.ts";
import { unitsAtHand } from "../../packages/server/src/core/backup/units-at-hand.ts";
import { Failure } from "../../packages/server/src/core/errors.ts";
import type { BackupSource } from "../../packages/server/src/core/ports/backup-folder.ts";
import type { AttachedUnits } from "../../packages/server/src/core/unit/attached-units.ts";
import { writeSecretFile } from "../../packages/server/src/ops/data-folder.ts";
import { softwareUnitFolder } from "../../packages/server/src/units/software/software-unit-folder.ts";
import { openDatabase } from "../crash/data-folder.ts";
import { startTestDaemon } from "../daemon.ts";

/** Two backups of one installation, of several chunks each, and everything that can be done to one of them. */
const CHUNK = 65_536 + 16;
let place: string;
let units: AttachedUnits;
let whole: Buffer;
let other: Buffer;
let headBytes: number;

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), "claviger-damage-"));
  const folder = join(place, "data");
  await using daemon = await startTestDaemon({ folder });
  using client = new ClavigerClient(daemon);
  const db = openDatabase(folder, { readOnly: false });
  const insert = db.prepare(
    "INSERT INTO projects (id, name, kek_id, created_at_ms) VALUES (?, ?, 'none', 1)",
  );
  for (let i = 0; i < 500; i += 1) insert.run(`id ${i}`, `${i}${"x".repeat(400)}`);
  db.close();
  const make = async (): Promise<Buffer> => {
    const { name } = await client.backups.create();
    await client.backups.wait(name);
    return readFileSync(join(folder, "backups", name));
  };
  whole = await make();
  other = await make();
  await daemon.daemon.stop();
  const pins = join(folder, "pins");
  ({ units } = await unitsAtHand(
    softwareUnitFolder({ units: join(folder, "units"), pins, writeSecretFile }),
  ));
  headBytes = (await readHeader(sourceOf(whole))).head.byteLength;
});
afterAll(async () => {
  await units.close();
  rmSync(place, { recursive: true });
});

function sourceOf(bytes: Uint8Array): BackupSource {
  return {
    name: "a backup",
    sizeBytes: bytes.byteLength,
    read: async (offset, lengthBytes) => bytes.subarray(offset, offset + lengthBytes),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Rows that come out before the end or a refusal, and the code of the refusal. */
async function outcomeOf(bytes: Uint8Array): Promise<string> {
  const source = sourceOf(bytes);
  try {
    const read = await readHeader(source);
    const ports = { units, alarms: { raise: () => undefined } };
    using fileKey = await openBackup(ports, read.header, []);
    for await (const page of readRows(source, read, fileKey, 100))
      expect(page.rows.length).toBeGreaterThan(0);
    return "whole";
  } catch (error) {
    if (error instanceof Failure) return error.code;
    throw error;
  }
}

const chunksOf = (bytes: Buffer): Buffer[] =>
  Array.from({ length: Math.ceil((bytes.byteLength - headBytes) / CHUNK) }, (_, i) =>
    bytes.subarray(headBytes + i * CHUNK, headBytes + (i + 1) * CHUNK),
  );
const withChunks = (chunks: readonly Buffer[]): Buffer =>
  Buffer.concat([whole.subarray(0, headBytes), ...chunks]);
/** A changed header may name a unit that is not there, or a format or schema that is not known; it opens nothing. */
const REFUSED = new Set(["backup-damaged", "backup-newer", "backup-needs-unit"]);

test("opens as it was written", async () => {
  expect(chunksOf(whole).length).toBeGreaterThan(3);
  expect(await outcomeOf(whole)).toBe("whole");
});

test("a bit that is changed anywhere is found", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.byteLength - 1), fc.nat(7), async (at, bit) => {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ (1 << bit);
      expect(REFUSED).toContain(await outcomeOf(changed));
    }),
    { numRuns: 100 },
  );
});

test("a bit that is changed anywhere in the header is found", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(headBytes - 1), fc.nat(7), async (at, bit) => {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ (1 << bit);
      expect(REFUSED).toContain(await outcomeOf(changed));
    }),
    { numRuns: 150 },
  );
});

test("a file that was cut off anywhere is found, between two chunks as well", async () => {
  const between = chunksOf(whole).map((_, i) => headBytes + i * CHUNK);
  for (const length of [0, 1, 17, 18, 21, 22, headBytes - 1, ...between, whole.byteLength - 1])
    expect([length, await outcomeOf(whole.subarray(0, length))]).toEqual([length, "backup-damaged"]);
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.byteLength - 1), async (length) => {
      expect(await outcomeOf(whole.subarray(0, length))).toBe("backup-damaged");
    }),
    { numRuns: 40 },
  );
});

test("bytes behind the end are found", async () => {
  expect(await outcomeOf(Buffer.concat([whole, Buffer.of(0)]))).toBe("backup-damaged");
  expect(await outcomeOf(Buffer.concat([whole, ...chunksOf(whole)]))).toBe("backup-damaged");
});

test("chunks that were exchanged, repeated, left out, or taken from another backup are found", async () => {
  const count = chunksOf(whole).length;
  await fc.assert(
    fc.asyncProperty(fc.nat(count - 1), fc.nat(count - 1), async (a, b) => {
      const [chunks, theirs] = [chunksOf(whole), chunksOf(other)];
      const [first, second] = [chunks[a] as Buffer, chunks[b] as Buffer];
      if (a !== b) {
        expect(await outcomeOf(withChunks(chunks.with(a, second).with(b, first)))).toBe("backup-damaged");
        expect(await outcomeOf(withChunks(chunks.with(a, second)))).toBe("backup-damaged");
      }
      expect(await outcomeOf(withChunks(chunks.toSpliced(a, 1)))).toBe("backup-damaged");
      expect(await outcomeOf(withChunks(chunks.toSpliced(a, 0, second)))).toBe("backup-damaged");
      expect(await outcomeOf(withChunks(chunks.with(a, theirs[a] as Buffer)))).toBe("backup-damaged");
    }),
    { numRuns: 15 },
  );
});

test("the header of another backup of the same installation does not fit", async () => {
  const theirs = (await readHeader(sourceOf(other))).head;
  expect(await outcomeOf(Buffer.concat([theirs, ...chunksOf(whole)]))).toBe("backup-damaged");
});

test("an edited header that is well-formed is found: name, time, counts, schema, patterns", async () => {
  const { header } = await readHeader(sourceOf(whole));
  const json = whole.toString("utf8", 22, headBytes);
  const edits: readonly (readonly [string, string])[] = [
    [`"node":"${header.node}"`, `"node":"elsewhere"`],
    [`"schema":${header.schema}`, `"schema":${header.schema + 1}`],
    [header.id, "00000000-0000-4000-8000-000000000000"],
    [new Date(header.createdAtMs).toISOString(), "2020-01-01T00:00:00.000Z"],
    [`{"table":"principals","rows":1}`, `{"table":"principals","rows":2}`],
    [`"previous":0`, `"previous":1`],
  ];
  for (const [from, to] of edits) {
    const edited = Buffer.from(json.replace(from, to), "utf8");
    expect(edited.toString("utf8")).not.toBe(json);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(edited.byteLength);
    const file = Buffer.concat([whole.subarray(0, 18), length, edited, ...chunksOf(whole)]);
    expect([from, await outcomeOf(file)]).toEqual([from, "backup-damaged"]);
  }
});

test("a format of a newer release is named as that", async () => {
  const newer = Buffer.from(whole);
  newer.write("2", 16, "latin1");
  expect(await outcomeOf(newer)).toBe("backup-newer");
});
