import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { barbicanToken } from "../../test/barbican/barbican-token.ts";
import type { Barbican } from "../../test/barbican/barbican.ts";
import { startBarbican } from "../../test/barbican/barbican.ts";
import { PYTHON } from "../../test/barbican/installed.ts";

/*
 * Upstream's own rewrap, in the last release that has one that works and that Debian has: Barbican 15.0.1, on SQLite. It wraps by
 * CKM_AES_CBC_PAD alone, so that its token is NSS softokn, which takes a fraction of SoftHSM's time.
 */

const OLD = { mkek: "mkek_2025", hmac: "hmac_2025" };
const NEW = { mkek: "mkek_2026", hmac: "hmac_2026" };
const MANAGE = fileURLToPath(new URL("../../test/barbican/barbican-manage.py", import.meta.url));

/** Rows for a second of processor time, without the time in which the same program finds nothing to do. */
export async function upstreamRowsPerCpuSecond(rows: number): Promise<number> {
  using token = barbicanToken();
  await using barbican = await startBarbican({ token, labels: OLD });
  await barbican.storeSecret("first", "a secret");
  await barbican.stop();
  multiply(barbican, rows);
  barbican.makeKeys(NEW);
  barbican.configure(NEW);
  const first = cpuSecondsOfRewrap(barbican);
  const again = cpuSecondsOfRewrap(barbican);
  const [moved] = barbican.sql<{ n: number }>(
    `SELECT count(*) AS n FROM kek_data WHERE plugin_meta LIKE '%"${NEW.mkek}"%'`,
  );
  if (moved?.n !== rows) throw new Error(`upstream has moved ${moved?.n} of ${rows} rows`);
  return rows / (first - again);
}

/** Copies the one project and its key, until there are so many. */
function multiply(barbican: Barbican, rows: number): void {
  const more = `WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})`;
  for (const [table, others] of [
    ["projects", { id: "'project-' || i", external_id: "'external-' || i" }],
    ["kek_data", { id: "'kek-' || i", project_id: "'project-' || i" }],
  ] as const) {
    const columns = barbican.sql<{ name: string }>(`SELECT name FROM pragma_table_info('${table}')`);
    const values = columns.map(({ name }) => (others as Readonly<Record<string, string>>)[name] ?? name);
    const names = columns.map(({ name }) => name).join(", ");
    barbican.sql(`${more} INSERT INTO ${table} (${names}) SELECT ${values.join(", ")} FROM ${table}, n`);
  }
}

/** What it prints has wrapped keys in it, and is thrown away. */
function cpuSecondsOfRewrap({ config, environment }: Barbican): number {
  const { status, stdout } = spawnSync("sh", ["-c", `"$0" "$1" >/dev/null 2>&1 && times`, PYTHON, MANAGE], {
    input: JSON.stringify([["hsm", "rewrap_pkek"]]),
    env: { PATH: process.env["PATH"], ...environment },
    cwd: dirname(dirname(config)),
    encoding: "utf8",
  });
  if (status !== 0) throw new Error("upstream's rewrap failed");
  // The second line is of the children: user and system time, as 0m5.43s.
  const times = [...(stdout.split("\n")[1] ?? "").matchAll(/(\d+)m([\d.]+)s/g)];
  return times.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds), 0);
}
