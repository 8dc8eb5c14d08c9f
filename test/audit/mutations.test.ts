import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { RecordHasher, headText, hashOfChain, recordText, verifyExport } from "@claviger/audit";
import type { Verification } from "@claviger/audit";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { exportPage } from "../../packages/server/src/audit/export-log.ts";
import { verifyLog } from "../../packages/server/src/audit/verify-log.ts";
import { ExampleLog, newTestKey, signedHead } from "./example-log.ts";

/*
 * Whatever is done to a log by somebody who can write its file or an export, and does not have the key, is found, and
 * the report says where. What the auditor has: the public key, and the last record that was seen before.
 */

const SEED = 20_261_125;
const FILE_RUNS = 500;
const EXPORT_RUNS = 500;

const example = new ExampleLog([11, 7, 16]);
const foreign = newTestKey();
const copy = join(example.folder, "copy.db");
afterAll(() => example[Symbol.dispose]());

const options = { trusted: [example.key.audit], knownHeads: [example.head] };

interface RecordRow {
  readonly n: number;
  readonly chain_id: number;
  readonly chain: string;
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly text: string;
}
interface HeadRow {
  readonly n: number;
  readonly chain: string;
  readonly seq: number;
  readonly text: string;
  readonly signature: Uint8Array;
}

const RECORDS = `SELECT n, chain_id, chain, seq, hash, text FROM records JOIN chains ON chains.id = chain_id ORDER BY n`;
const HEADS = `SELECT n, chain, heads.seq AS seq, text, signature FROM heads JOIN chains ON chains.id = chain_id ORDER BY n`;

/** Where a mutation is, so far as a report can know: one of these records of this chain. */
interface Place {
  readonly chain: string;
  readonly from: number;
  readonly to: number;
}

function place(chain: string, from: number, to = from): Place {
  return { chain, from, to };
}

/** Writes the chain of a record anew from there on, as somebody without the key can. */
function rehash(db: DatabaseSync, from: RecordRow): void {
  const rows = (db.prepare(RECORDS).all() as unknown as RecordRow[]).filter(
    ({ chain }) => chain === from.chain,
  );
  const hasher = new RecordHasher();
  let before: Uint8Array = hashOfChain(from.chain);
  for (const { n, text } of rows) {
    before = hasher.ofText(before, text);
    db.prepare("UPDATE records SET hash = ? WHERE n = ?").run(before, n);
  }
}

function bytesChanged(text: string, at: number): string {
  const bytes = Buffer.from(text, "utf8");
  const index = at % bytes.byteLength;
  bytes[index] = (bytes[index] ?? 0) === 0x37 ? 0x38 : 0x37;
  return bytes.toString("latin1");
}

type Mutate = (
  db: DatabaseSync,
  on: { records: RecordRow[]; heads: HeadRow[]; pick: number; at: number },
) => Place;

const pickOf = <Item>(items: readonly Item[], pick: number): Item => {
  const item = items[pick % items.length];
  if (item === undefined) throw new Error("there is nothing to pick from");
  return item;
};

/** The head of a chain that is signed next at or behind a record, as the report names its range; else the known head. */
function untilSigned({ chain, seq }: RecordRow, heads: readonly HeadRow[]): Place {
  const before = heads.filter((head) => head.chain === chain && head.seq < seq).at(-1)?.seq ?? 0;
  const next = heads.find((head) => head.chain === chain && head.seq >= seq)?.seq ?? example.head.seq;
  return place(chain, before + 1, next);
}

const MUTATIONS: Readonly<Record<string, Mutate>> = {
  "a byte of a record": (db, { records, pick, at }) => {
    const row = pickOf(records, pick);
    db.prepare("UPDATE records SET text = ? WHERE n = ?").run(bytesChanged(row.text, at), row.n);
    return place(row.chain, row.seq, row.seq + 1);
  },
  "a byte of a record, and every hash behind it": (db, { records, heads, pick, at }) => {
    const row = pickOf(records, pick);
    const [head = "", rest = ""] = row.text.split(/(?<=^\{"seq":\d+,"at":)/);
    db.prepare("UPDATE records SET text = ? WHERE n = ?").run(head + bytesChanged(rest, at), row.n);
    rehash(db, row);
    return untilSigned(row, heads);
  },
  "a hash": (db, { records, pick, at }) => {
    const row = pickOf(records, pick);
    const hash = Buffer.from(row.hash);
    hash[at % 32] = (hash[at % 32] ?? 0) ^ 1;
    db.prepare("UPDATE records SET hash = ? WHERE n = ?").run(hash, row.n);
    return place(row.chain, row.seq, row.seq + 1);
  },
  "a record deleted": (db, { records, pick }) => {
    const row = pickOf(records, pick);
    db.prepare("DELETE FROM records WHERE n = ?").run(row.n);
    return place(row.chain, row.seq);
  },
  "a record deleted, the numbers and hashes behind it made to fit": (db, { records, heads, pick }) => {
    const row = pickOf(records, pick);
    db.prepare("DELETE FROM records WHERE n = ?").run(row.n);
    for (const later of records) {
      if (later.chain !== row.chain || later.seq <= row.seq) continue;
      const text = later.text.replace(/^\{"seq":\d+/, `{"seq":${later.seq - 1}`);
      db.prepare("UPDATE records SET seq = ?, text = ? WHERE n = ?").run(later.seq - 1, text, later.n);
    }
    rehash(db, row);
    const last = records.filter(({ chain }) => chain === row.chain).length;
    return place(row.chain, untilSigned(row, heads).from, last);
  },
  "a record inserted again": (db, { records, pick, at }) => {
    const row = pickOf(records, pick);
    const behind = pickOf(
      records.filter(({ chain }) => chain === row.chain),
      at,
    );
    db.exec(`UPDATE records SET n = -n - 1 WHERE n > ${behind.n}; UPDATE records SET n = -n WHERE n < 0`);
    db.prepare("INSERT INTO records (n, chain_id, seq, hash, text) VALUES (?, ?, ?, ?, ?)").run(
      behind.n + 1,
      row.chain_id,
      row.seq,
      row.hash,
      row.text,
    );
    return place(row.chain, behind.seq + 1, behind.seq + 2);
  },
  "two records exchanged": (db, { records, pick }) => {
    const row = pickOf(records.slice(0, -1), pick);
    const other = records[records.indexOf(row) + 1];
    if (!other) throw new Error("there is no record behind");
    db.prepare("UPDATE records SET text = ?, hash = ? WHERE n = ?").run(other.text, other.hash, row.n);
    db.prepare("UPDATE records SET text = ?, hash = ? WHERE n = ?").run(row.text, row.hash, other.n);
    return place(row.chain, row.seq, row.seq + 1);
  },
  "the end of a chain cut off": (db, { records, heads, pick }) => {
    const signed = pickOf(heads, pick);
    db.prepare("DELETE FROM records WHERE n >= ?").run(
      records.find(({ chain, seq }) => chain === signed.chain && seq === signed.seq)?.n ?? 0,
    );
    return place(signed.chain, signed.seq);
  },
  "rolled back to an older log": (db, { records, pick }) => {
    const row = pickOf(records.slice(0, -1), pick);
    db.prepare("DELETE FROM records WHERE n > ?").run(row.n);
    db.prepare("DELETE FROM heads WHERE (chain_id = ? AND seq > ?) OR chain_id > ?").run(
      row.chain_id,
      row.seq,
      row.chain_id,
    );
    db.prepare("DELETE FROM chains WHERE id > ?").run(row.chain_id);
    return place("", example.head.seq);
  },
  "a fork: another chain behind the same one": (db, { records, pick }) => {
    const first = pickOf(
      records.filter(({ seq, n }) => seq === 1 && n > 1),
      pick,
    );
    const chain = "11111111-1111-4111-8111-111111111111/99999999-9999-4999-8999-999999999999";
    const base = hashOfChain(chain);
    const { lastInsertRowid } = db
      .prepare("INSERT INTO chains (chain, base_seq, base_hash) VALUES (?, 0, ?)")
      .run(chain, base);
    const hash = new RecordHasher().ofText(base, first.text);
    db.prepare("INSERT INTO records (chain_id, seq, hash, text) VALUES (?, 1, ?, ?)").run(
      lastInsertRowid,
      hash,
      first.text,
    );
    return place(chain, 1);
  },
  "a whole chain taken out": (db, { records, pick }) => {
    const [id = 0, next = 0] = [
      [1, 2],
      [2, 3],
    ][pick % 2] ?? [1, 2];
    db.exec(`DELETE FROM records WHERE chain_id = ${id}; DELETE FROM heads WHERE chain_id = ${id}`);
    db.exec(`DELETE FROM chains WHERE id = ${id}`);
    return place(records.find((row) => row.chain_id === next)?.chain ?? "", 1);
  },
  "two signatures exchanged": (db, { heads, pick }) => {
    const head = pickOf(heads, pick);
    const other = heads[(heads.indexOf(head) + 1) % heads.length];
    if (!other) throw new Error("there is no other head");
    db.prepare("UPDATE heads SET signature = ? WHERE n = ?").run(other.signature, head.n);
    db.prepare("UPDATE heads SET signature = ? WHERE n = ?").run(head.signature, other.n);
    return place(head.chain, head.seq);
  },
  "a byte of a signed text": (db, { heads, pick, at }) => {
    const head = pickOf(heads, pick);
    db.prepare("UPDATE heads SET text = ? WHERE n = ?").run(bytesChanged(head.text, at), head.n);
    return place(head.chain, 0, Number.MAX_SAFE_INTEGER);
  },
  "a foreign key": (db, { records, heads, pick }) => {
    const head = pickOf(heads, pick);
    const row = records.find(({ chain, seq }) => chain === head.chain && seq === head.seq);
    const hash = Buffer.from(row?.hash ?? []).toString("hex");
    const forged = signedHead({ chain: head.chain, seq: head.seq, hash }, foreign);
    db.prepare("UPDATE heads SET text = ?, signature = ? WHERE n = ?").run(
      forged.text,
      forged.signature,
      head.n,
    );
    return place(head.chain, head.seq);
  },
};

function mutated(mutation: string, pick: number, at: number): Place {
  copyFileSync(example.path, copy);
  const db = new DatabaseSync(copy);
  try {
    db.exec("PRAGMA journal_mode = MEMORY");
    const records = db.prepare(RECORDS).all() as unknown as RecordRow[];
    const heads = db.prepare(HEADS).all() as unknown as HeadRow[];
    return MUTATIONS[mutation]?.(db, { records, heads, pick, at }) ?? place("", 0);
  } finally {
    db.close();
  }
}

function isFound({ faults }: Verification, { chain, from, to }: Place): boolean {
  return faults.some((fault) => fault.chain === chain && fault.seq >= from && fault.seq <= to);
}

test("a log that nobody has touched has no fault, and says what it holds", () => {
  const { faults, records, heads, chains, unsigned, signedBy } = verifyLog(example.path, options);
  expect(faults).toEqual([]);
  expect({ records, heads, unsigned }).toEqual({ records: 34, heads: 9, unsigned: 0 });
  expect(chains.map(({ seq }) => seq)).toEqual([11, 7, 16]);
  expect(signedBy).toEqual([example.key.audit.fingerprint]);
});

test("every generated mutation of the file is found, and named where it is", () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(MUTATIONS)), fc.nat(), fc.nat(), (mutation, pick, at) => {
      const where = mutated(mutation, pick, at);
      const found = verifyLog(copy, options);
      expect(
        isFound(found, where),
        `${mutation} at ${JSON.stringify(where)}: ${JSON.stringify(found.faults)}`,
      ).toBe(true);
    }),
    { seed: SEED, numRuns: FILE_RUNS },
  );
});

function exported(path = example.path): string {
  const db = new DatabaseSync(path, { readOnly: true });
  const keys = [{ fingerprint: example.key.audit.fingerprint, pem: example.key.pem }];
  let text = "";
  let page = exportPage(db, { cursor: undefined, limit: 5, keys });
  for (;;) {
    text += page.lines;
    if (!page.next) break;
    page = exportPage(db, { cursor: page.next, limit: 5, keys });
  }
  db.close();
  return text;
}

async function* inChunks(text: string, lengthBytes = 100): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text, "latin1");
  for (let at = 0; at < bytes.byteLength; at += lengthBytes) yield bytes.subarray(at, at + lengthBytes);
}

describe("an export", () => {
  const whole = Buffer.from(exported(), "utf8").toString("latin1");

  test("is verified with nothing but the public key, in chunks of any length", async () => {
    for (const lengthBytes of [1, 7, 100, 1_000_000]) {
      const found = await verifyExport(inChunks(whole, lengthBytes), options);
      expect(found.faults).toEqual([]);
      expect(found).toEqual(verifyLog(example.path, options));
    }
  });

  test("without trusted keys the key that it brings along is named, so that people can compare it", async () => {
    const found = await verifyExport(inChunks(whole));
    expect(found.faults).toEqual([]);
    expect(found.signedBy).toEqual([example.key.audit.fingerprint]);
    const other = await verifyExport(inChunks(whole), { trusted: [foreign.audit] });
    expect(new Set(other.faults.map(({ what }) => what))).toEqual(new Set(["key-untrusted"]));
  });

  test("every generated mutation of its lines is found", async () => {
    const lines = whole.split("\n").slice(0, -1);
    const mutations: Readonly<Record<string, (pick: number, at: number) => string>> = {
      "a byte": (pick, at) => {
        const index = pick % lines.length;
        return lines.with(index, bytesChanged(lines[index] ?? "", at)).join("\n") + "\n";
      },
      "the case of a letter": (pick) => {
        const letters = [...whole.matchAll(/[A-Za-z]/g)].map(({ index }) => index);
        const index = pickOf(letters, pick);
        const letter = whole[index] ?? "";
        const other = letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();
        return whole.slice(0, index) + other + whole.slice(index + 1);
      },
      "a line deleted": (pick) => lines.toSpliced(pick % lines.length, 1).join("\n") + "\n",
      "a line inserted again": (pick, at) =>
        lines.toSpliced(at % lines.length, 0, lines[pick % lines.length] ?? "").join("\n") + "\n",
      "two lines exchanged": (pick, at) => {
        const [a, b] = [pick % lines.length, at % lines.length];
        return (
          lines
            .with(a, lines[b] ?? "")
            .with(b, lines[a] ?? "")
            .join("\n") + "\n"
        );
      },
      "cut off": (pick) => whole.slice(0, pick % whole.length),
    };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...Object.keys(mutations)),
        fc.nat(),
        fc.nat(),
        async (mutation, pick, at) => {
          const text = mutations[mutation]?.(pick, at) ?? whole;
          if (text === whole) return;
          const { faultCount } = await verifyExport(inChunks(text, 10_000), options);
          expect(faultCount, mutation).toBeGreaterThan(0);
        },
      ),
      { seed: SEED, numRuns: EXPORT_RUNS },
    );
  });

  test("every mutation of the file is found in an export of it too", async () => {
    for (const mutation of Object.keys(MUTATIONS)) {
      for (const pick of [0, 5, 17]) {
        const where = mutated(mutation, pick, 40);
        const found = await verifyExport(
          inChunks(Buffer.from(exported(copy), "utf8").toString("latin1")),
          options,
        );
        const at = mutation === "a byte of a signed text" ? found.faultCount > 0 : isFound(found, where);
        expect(at, `${mutation}: ${JSON.stringify(found.faults)}`).toBe(true);
      }
    }
  });
});

test("the text of a record and of a head have one form, which these vectors keep", () => {
  expect(recordText(7, "2026-01-02T03:04:05.678Z", ',"operation":"encrypt"}')).toBe(
    '{"seq":7,"at":"2026-01-02T03:04:05.678Z","operation":"encrypt"}',
  );
  expect(hashOfChain("a/b").toString("hex")).toBe(
    "1ec042fb1c031828b4277c863bb9908784a52548e027e02982cc88597bea143c",
  );
  expect(new RecordHasher().ofText(hashOfChain("a/b"), '{"seq":1}').toString("hex")).toBe(
    "9f69ed96acd3aa1256325079305e560a5eb9309fd6fe72a18122dd75287a4a98",
  );
  const head = { chain: "a/b", seq: 1, hash: "00", at: "t", key: "k", outbox: 3 };
  expect(headText(head)).toBe('{"chain":"a/b","seq":1,"hash":"00","at":"t","key":"k","outbox":3}');
});
