import { DatabaseSync } from "node:sqlite";
import { LogVerifier } from "@claviger/audit";
import type { Verification, VerifyOptions } from "@claviger/audit";
import { walkLog } from "./walk-log.ts";

/** Verifies the whole log of a file, on one snapshot of it. */
export function verifyLog(path: string, options: VerifyOptions): Verification {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    db.exec("BEGIN");
    const verifier = new LogVerifier(options);
    walkLog(db, verifier);
    return verifier.end();
  } finally {
    db.close();
  }
}
