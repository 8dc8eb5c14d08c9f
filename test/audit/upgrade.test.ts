import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ClavigerClient } from "@claviger/sdk";
import { expect, test } from "vitest";
import { openDatabase } from "../crash/data-folder.ts";
import { startTestDaemon } from "../daemon.ts";
import { SCRATCH } from "../model/scratch.ts";

/** Takes the audit log from a data folder, the keys for it, and the migration that made its tables. */
function asBeforeTheLog(folder: string): void {
  rmSync(join(folder, "audit"), { recursive: true });
  rmSync(join(folder, "node.id"));
  using db = openDatabase(folder, { readOnly: false });
  db.exec(`
    DROP TABLE audit_outbox; DROP TABLE audit_keys; DELETE FROM schema_migrations WHERE name = 'audit';
    DELETE FROM key_versions WHERE key_id IN (SELECT id FROM keys WHERE name = '(audit)');
    DELETE FROM keys WHERE name = '(audit)'`);
}

test("a data folder from before the audit log gets it by the start, and what was encrypted decrypts", async () => {
  const parent = mkdtempSync(join(SCRATCH, "claviger-upgrade-"));
  const folder = join(parent, "data");
  try {
    let ciphertext: Uint8Array = new Uint8Array();
    {
      await using before = await startTestDaemon({ folder });
      using client = new ClavigerClient(before);
      await client.projects.create({ name: "shop" });
      await client.keys.create({ project: "shop", name: "orders" });
      const plaintext = new TextEncoder().encode("hello");
      ({ ciphertext } = await client.keys.encrypt({ project: "shop", key: "orders", plaintext }));
    }
    asBeforeTheLog(folder);
    await using after = await startTestDaemon({ folder });
    using client = new ClavigerClient(after);
    const { plaintext } = await client.keys.decrypt({ project: "shop", ciphertext });
    expect(new TextDecoder().decode(plaintext)).toBe("hello");
    expect(await client.audit.verify()).toMatchObject({ verified: true });
    expect(await Array.fromAsync(client.audit.all({ operation: "audit.missing" }))).toEqual([]);
    const [key] = await client.audit.keys();
    expect(readFileSync(join(folder, "audit", "audit-keys.pem"), "utf8")).toBe(key?.pem);
  } finally {
    rmSync(parent, { recursive: true });
  }
});
