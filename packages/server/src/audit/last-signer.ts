import { DatabaseSync } from "node:sqlite";
import { parseHead } from "@claviger/audit";

/** Fingerprint of the key that signed last in this log; undefined where none has. */
export function lastSigner(path: string): string | undefined {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    const last = db.prepare("SELECT text FROM heads ORDER BY n DESC LIMIT 1").get() as
      { text: string } | undefined;
    return last && parseHead(last.text)?.key;
  } finally {
    db.close();
  }
}
