import { createHash, generateKeyPairSync, hash, sign } from "node:crypto";
import { appendFileSync, createReadStream, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseArgs } from "node:util";
import { auditKey, entryText, headText, signedBytes, verifyExport } from "@claviger/audit";
import { AuditDatabase } from "../packages/server/src/audit/audit-database.ts";
import type { ExportCursor } from "../packages/server/src/audit/export-log.ts";
import { exportPage } from "../packages/server/src/audit/export-log.ts";
import { verifyLog } from "../packages/server/src/audit/verify-log.ts";

/*
 * How fast a log is verified, in one thread, from an export and from the database; the floor is SHA-256 over the same
 * bytes: the texts of the records, each with its label and the hash before it, and nothing around.
 *
 *   npm run bench:audit-verify -- --records 200000 --json
 */

const { values } = parseArgs({
  options: {
    records: { type: "string", default: "200000" },
    rounds: { type: "string", default: "3" },
    json: { type: "boolean" },
  },
});
const RECORDS = Number(values.records);
const ROUNDS = Number(values.rounds);
const BATCH = 500;
/** A head a second, at ten thousand records a second. */
const HEAD_EVERY = 10_000;

const folder = mkdtempSync(join(tmpdir(), "claviger-audit-bench-"));
try {
  await bench();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function bench(): Promise<void> {
  const path = join(folder, "audit.db");
  const file = join(folder, "audit.jsonl");
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const pem = publicKey.export({ format: "pem", type: "spki" }).toString();
  const key = auditKey(pem);
  fill(path, (text) => sign(null, signedBytes(text), privateKey), key.fingerprint);
  exportTo(file, path, { fingerprint: key.fingerprint, pem });
  const inputs = hashedBytes(path);

  const rates = { floor: [] as number[], export: [] as number[], database: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    rates.floor.push(
      await perSecond(async () => {
        for (const input of inputs) hash("sha256", input, "buffer");
      }),
    );
    rates.export.push(
      await perSecond(async () => whole(await verifyExport(createReadStream(file), { trusted: [key] }))),
    );
    rates.database.push(await perSecond(async () => whole(verifyLog(path, { trusted: [key] }))));
  }
  const floor = median(rates.floor);
  const results = (["export", "database"] as const).map((name) => {
    const figure = Math.round(median(rates[name]));
    return {
      name: `audit-verify ${name}`,
      figure,
      floor: Math.round(floor),
      ratio: round2(figure / floor),
      unit: "records/s",
    };
  });
  console.log(`${RECORDS} records, ${(statSync(file).size / RECORDS).toFixed(0)} bytes each in an export`);
  for (const { name, figure, ratio } of results)
    console.log(`${name.padEnd(24)}${figure} records/s, ${ratio} of the floor`);
  const [first] = results;
  if (values.json) console.log(JSON.stringify({ ...first, results }));
}

function fill(path: string, signText: (text: string) => Uint8Array, fingerprint: string): void {
  const db = new AuditDatabase(path);
  const chain = "11111111-1111-4111-8111-111111111111/22222222-2222-4222-8222-222222222222";
  db.begin(chain, { atMs: 0, previous: undefined, note: "start" });
  for (let done = 1; done < RECORDS;) {
    const records = Array.from({ length: Math.min(BATCH, RECORDS - done) }, (_, index) => ({
      atMs: done + index,
      rest: entryText({
        operation: "encrypt",
        outcome: "allowed",
        request: `req-0e2f4a52-6f0e-4c3b-9a34-${String(done + index).padStart(12, "0")}`,
        principalId: "f4b1c9c0-0000-4000-8000-000000000000",
        principal: "shops",
        project: "0b9d2f5e-3c61-4a7e-9f0b-6d0a5c1e7f42",
        key: "c4e8a1d7-52fb-4d36-8e19-7a3b0f64d2c5",
        version: 3,
        context: ["order", "tenant"],
      }),
    }));
    db.append(records);
    done += records.length;
    if (done % HEAD_EVERY === 0 && db.head) {
      const text = headText({ ...db.head, at: "2026-01-02T03:04:05.000Z", key: fingerprint });
      db.addHead({ chain, seq: db.head.seq, text, signature: signText(text) });
    }
  }
  db.close();
}

function exportTo(file: string, path: string, key: { fingerprint: string; pem: string }): void {
  const db = new DatabaseSync(path, { readOnly: true });
  let cursor: ExportCursor | undefined;
  do {
    const page = exportPage(db, { cursor, limit: 5_000, keys: [key] });
    appendFileSync(file, page.lines);
    cursor = page.next;
  } while (cursor);
  db.close();
}

/** What is hashed for each record: a label of 23 bytes, 32 bytes of a hash, and the text. */
function hashedBytes(path: string): Uint8Array[] {
  const db = new DatabaseSync(path, { readOnly: true });
  const before = createHash("sha256").digest();
  const inputs: Uint8Array[] = [];
  for (const row of db.prepare("SELECT text FROM records ORDER BY n").iterate()) {
    inputs.push(
      Buffer.concat([
        Buffer.from("claviger audit record 1"),
        before,
        Buffer.from(String(row["text"]), "utf8"),
      ]),
    );
  }
  db.close();
  return inputs;
}

/** Records a second of processor time: what one thread does that has a processor for itself, on a busy machine too. */
async function perSecond(verify: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await verify();
  const { user, system } = process.cpuUsage(before);
  return RECORDS / ((user + system) / 1_000_000);
}

function whole({ records, faultCount }: { readonly records: number; readonly faultCount: number }): void {
  if (records !== RECORDS || faultCount > 0) throw new Error("the log of the benchmark is not whole");
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}
