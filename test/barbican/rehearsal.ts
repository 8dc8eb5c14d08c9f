import { createCipheriv, randomBytes, randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { gzipSync } from "node:zlib";
import { pluginMeta } from "../../packages/server/src/core/barbican/plugin-meta.ts";
import type { TestToken } from "../pkcs11/tokens.ts";
import { barbicanConf } from "./barbican-conf.ts";
import { barbicanToken } from "./barbican-token.ts";
import { importKeys } from "./token-with-keys.ts";
import { insertKeks, insertProject, insertSecret, schema } from "./schema.ts";
import { wrapInSoftware } from "./vectors.ts";

/*
 * What docs/operations/barbican-rewrap.md begins with: a Barbican's token, database, barbican.conf and dump in a folder,
 * with project keys of every state under the master keys of 2025.
 */

const LABELS = { mkek: "mkek_2025", hmac: "hmac_2025" };
const ACTIVE = 38;
const SOFT_DELETED = 2;
const SECRETS = 3;

/** Writes barbican.conf, barbican.sqlite and before.sql.gz; the token is the caller's to dispose of. */
export function rehearse(folder: string): TestToken {
  const token = barbicanToken();
  const [mkek, hmacKey] = [randomBytes(32), randomBytes(32)];
  importKeys(token, [
    { use: "mkek", label: LABELS.mkek, value: mkek },
    { use: "hmac", label: LABELS.hmac, value: hmacKey },
  ]);
  const statements = [...schema("sqlite"), insertProject("p1", "red")];
  const keys = Array.from({ length: ACTIVE + SOFT_DELETED }, () => randomBytes(32));
  const rows = keys.map((key, n) => {
    const by = { mkekLabel: LABELS.mkek, hmacLabel: LABELS.hmac, mechanism: "CKM_AES_CBC_PAD" as const };
    const meta = pluginMeta(wrapInSoftware(key, { ...by, iv: randomBytes(16) }, mkek, hmacKey));
    return { id: randomUUID(), projectId: "p1", pluginMeta: `'${meta}'`, isDeleted: n >= ACTIVE };
  });
  statements.push(insertKeks([...rows, { id: randomUUID(), projectId: "p1", pluginMeta: "NULL" }]));
  for (let n = 0; n < SECRETS; n += 1) {
    const [key, row] = [keys[n], rows[n]];
    if (!key || !row) continue;
    const { cypherText, meta } = sealed(key, `secret ${n}`);
    statements.push(insertSecret(`s${n}`, row.id, `'${cypherText}'`, { meta }));
  }
  const database = join(folder, "barbican.sqlite");
  using db = new DatabaseSync(database);
  for (const statement of statements) db.exec(statement);
  // As sqlite3's .dump has it.
  writeFileSync(join(folder, "before.sql.gz"), gzipSync(statements.map((each) => `${each};\n`).join("")));
  const conf = {
    token,
    databaseUrl: `sqlite:///${database}`,
    labels: LABELS,
    log: join(folder, "barbican.log"),
  };
  writeFileSync(
    join(folder, "barbican.conf"),
    barbicanConf({ ...conf, encryptionMechanism: "CKM_AES_GCM" }),
    {
      mode: 0o600,
    },
  );
  return token;
}

/** As p11_crypto encrypts by CKM_AES_GCM. */
function sealed(key: Uint8Array, text: string): { readonly cypherText: string; readonly meta: string } {
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const ciphertext = Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]);
  const meta = JSON.stringify({ iv: iv.toString("base64"), mechanism: "CKM_AES_GCM" });
  return { cypherText: ciphertext.toString("base64"), meta };
}
