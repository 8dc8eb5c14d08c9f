import { randomBytes, randomUUID } from "node:crypto";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pluginMeta } from "../../packages/server/src/core/barbican/plugin-meta.ts";
import { P11_PLUGIN } from "../../packages/server/src/barbican/database/p11-rows.ts";
import { schema } from "../../test/barbican/schema.ts";
import { importKeys } from "../../test/barbican/token-with-keys.ts";
import { HMAC_KEY, MKEK, wrapInSoftware } from "../../test/barbican/vectors.ts";
import type { TestToken } from "../../test/pkcs11/tokens.ts";
import { softHsmToken } from "../../test/pkcs11/tokens.ts";
import type { RewrapInput } from "./rewrap-input.ts";

const OLD = { mkekLabel: "mkek_2025", hmacLabel: "hmac_2025" } as const;
const NEW = { mkekLabel: "mkek_2026", hmacLabel: "hmac_2026" } as const;

/** SoftHSM's name of RFC 5649, which takes no IV there. */
const MECHANISM = "CKM_AES_KEY_WRAP_PAD";

const KEY_BYTES = 32;
const FILL_TRANSACTION_ROWS = 10_000;
const MADE_AT = "2025-11-03 12:00:00.000000";

/** A Barbican on SQLite and SoftHSM2 with old and new master keys: its database is filled once, and copied for each round. */
export interface BarbicanPlace extends Disposable {
  readonly token: TestToken;
  newCopy(): BarbicanCopy;
}

export interface BarbicanCopy extends Disposable {
  readonly input: RewrapInput;
}

/** Every project has one key, as Barbican makes them; ids are random, as Barbican's are. */
export function barbicanPlace(rows: number): BarbicanPlace {
  using begun = new DisposableStack();
  const token = begun.use(softHsmToken());
  const folder = mkdtempSync(join(tmpdir(), "claviger-barbican-rewrap-"));
  begun.defer(() => rmSync(folder, { recursive: true }));
  importKeys(token, [
    { use: "mkek", label: OLD.mkekLabel, value: MKEK },
    { use: "hmac", label: OLD.hmacLabel, value: HMAC_KEY },
    { use: "mkek", label: NEW.mkekLabel, value: randomBytes(KEY_BYTES) },
    { use: "hmac", label: NEW.hmacLabel, value: randomBytes(KEY_BYTES) },
  ]);
  const template = join(folder, "template.sqlite");
  fill(template, rows);
  const owned = begun.move();
  return {
    token,
    newCopy: () => {
      const own = mkdtempSync(join(folder, "copy-"));
      const path = join(own, "barbican.sqlite");
      copyFileSync(template, path);
      const { module, environment, label } = token;
      const target = { ...NEW, mechanism: MECHANISM, generatesIv: false } as const;
      return {
        input: { databaseUrl: `sqlite:///${path}`, module, environment, label, target },
        [Symbol.dispose]: () => rmSync(own, { recursive: true }),
      };
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

function fill(path: string, rows: number): void {
  const database = new DatabaseSync(path);
  try {
    for (const statement of schema("sqlite")) database.exec(statement);
    database.exec("PRAGMA synchronous = OFF");
    const base = `'${MADE_AT}', '${MADE_AT}', NULL, 0, 'ACTIVE'`;
    const project = database.prepare(`INSERT INTO projects VALUES (?, ${base}, ?)`);
    const kek = database.prepare(
      `INSERT INTO kek_data VALUES (?, ${base}, '${P11_PLUGIN}', ?, ?, 1, 1, 'AES', 256, 'CBC', ?)`,
    );
    for (let done = 0; done < rows; done += FILL_TRANSACTION_ROWS) {
      database.exec("BEGIN");
      for (let i = done; i < Math.min(rows, done + FILL_TRANSACTION_ROWS); i += 1) {
        const [projectId, externalId] = [randomUUID(), randomUUID().replaceAll("-", "")];
        const key = wrapInSoftware(randomBytes(KEY_BYTES), { ...OLD, iv: null, mechanism: MECHANISM });
        project.run(projectId, externalId);
        kek.run(randomUUID(), `project-${externalId}-key-${randomUUID()}`, projectId, pluginMeta(key));
      }
      database.exec("COMMIT");
    }
  } finally {
    database.close();
  }
}
