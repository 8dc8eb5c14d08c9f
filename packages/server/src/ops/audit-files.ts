import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { uuid } from "../core/crypto/random.ts";
import { publicKeysPem } from "../core/crypto/signing-key.ts";
import { Failure } from "../core/errors.ts";
import { isUuid } from "../core/ids.ts";
import type { AuditKeyRecord } from "../core/ports/audit-log.ts";
import type { DataFolder } from "./data-folder.ts";
import { writeSecretFile } from "./data-folder.ts";

/** What the audit log keeps in the data folder besides its database. */
export interface AuditFiles {
  readonly database: string;
  /** Room that is given up when the disk is full. */
  readonly reserve: string;
  readonly archive: string;
  /** Public keys, for auditors to take along. */
  readonly keys: string;
}

export function auditFiles({ audit }: DataFolder): AuditFiles {
  return {
    database: join(audit, "audit.db"),
    reserve: join(audit, "reserve"),
    archive: join(audit, "archive"),
    keys: join(audit, "audit-keys.pem"),
  };
}

/** The UUID of a data folder, which names it in the chains of its audit log. Made once. */
export function nodeId(data: DataFolder): string {
  const path = join(data.path, "node.id");
  if (!existsSync(path)) writeSecretFile(path, `${uuid()}\n`);
  const id = readFileSync(path, "utf8").trim();
  if (!isUuid(id)) throw new Failure("data-folder-unusable", `${path} holds no UUID.`, { field: path });
  return id;
}

/** Writes the public keys where they are not written yet. */
export function writePublicKeys(path: string, keys: readonly AuditKeyRecord[]): void {
  const pem = publicKeysPem(keys);
  if (existsSync(path) && readFileSync(path, "utf8") === pem) return;
  rmSync(`${path}.tmp`, { force: true });
  writeSecretFile(`${path}.tmp`, pem);
  renameSync(`${path}.tmp`, path);
}
