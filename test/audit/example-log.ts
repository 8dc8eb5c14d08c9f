import { generateKeyPairSync, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { auditKey, entryText, headText, signedBytes } from "@claviger/audit";
import type { AuditKey, HeadRef } from "@claviger/audit";
import { AuditDatabase } from "../../packages/server/src/audit/audit-database.ts";
import { SCRATCH } from "../model/scratch.ts";

/** A key that signs heads of test logs. */
export interface TestKey {
  readonly audit: AuditKey;
  readonly privateKey: KeyObject;
  readonly pem: string;
}

export function newTestKey(): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const pem = publicKey.export({ format: "pem", type: "spki" }).toString();
  return { audit: auditKey(pem), privateKey, pem };
}

export function signedHead({ chain, seq, hash }: HeadRef, key: TestKey, outbox = 0) {
  const { fingerprint } = key.audit;
  const text = headText({ chain, seq, hash, at: "2026-01-02T03:04:05.000Z", key: fingerprint, outbox });
  return { chain, seq, text, signature: sign(null, signedBytes(text), key.privateKey) };
}

const NODE = "11111111-1111-4111-8111-111111111111";

/** A log on a file, of chains with so many records each, signed every few and at the end of all but the last. */
export class ExampleLog implements Disposable {
  readonly folder = mkdtempSync(join(SCRATCH, "claviger-audit-"));
  readonly path = join(this.folder, "audit.db");
  readonly key = newTestKey();
  readonly chains: string[] = [];
  /** The last record: what the service knows, and an auditor who has just been there. */
  readonly head: HeadRef;

  constructor(sizes: readonly number[], every = 4) {
    const db = new AuditDatabase(this.path);
    for (const [index, size] of sizes.entries()) {
      const chain = `${NODE}/2222222${index}-2222-4222-8222-222222222222`;
      this.chains.push(chain);
      db.begin(chain, { atMs: 1_000, previous: db.head && refOf(db.head), note: "start" });
      for (let seq = 2; seq <= size; seq += 1) {
        const rest = entryText({
          operation: "encrypt",
          outcome: "allowed",
          request: `req-${seq}`,
          context: ["ä"],
        });
        db.append([{ atMs: 1_000 + seq, rest }]);
        if (seq % every === 0) this.#sign(db);
      }
      if (index < sizes.length - 1) this.#sign(db);
    }
    if (!db.head) throw new Error("the log has no record");
    this.head = refOf(db.head);
    db.close();
  }

  #sign(db: AuditDatabase): void {
    if (db.head) db.addHead(signedHead(db.head, this.key));
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function refOf({ chain, seq, hash }: HeadRef): HeadRef {
  return { chain, seq, hash };
}
