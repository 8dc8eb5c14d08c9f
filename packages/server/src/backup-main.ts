import { parseArgs } from "node:util";
import { restoreBackupOffline, verifyBackupOffline } from "./backup-offline.ts";
import { isFailure } from "./core/errors.ts";
import { readConfig, readConfigFile } from "./ops/config.ts";

/*
 * `clavigerd backup verify|restore FILE`: the verbs of backups that need no running daemon, by themselves. Configured as the
 * daemon is, by the environment and its file. Exit statuses are those of docs/errors.md.
 */

const USAGE = `usage: clavigerd backup verify FILE [--all] [--json]
       clavigerd backup restore FILE [--json]
`;

async function main(): Promise<number> {
  const parsed = parseArgs({
    allowPositionals: true,
    options: { all: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
  });
  const [noun, verb, file, ...more] = parsed.positionals;
  const { all, json } = parsed.values;
  const known = noun === "backup" && (verb === "verify" || (verb === "restore" && !all));
  if (!known || file === undefined || more.length > 0) {
    process.stderr.write(USAGE);
    return 2;
  }
  const config = readConfig(process.env, process.cwd(), readConfigFile);
  return verb === "verify" ? await verify(config, file, all, json) : await restore(config, file, json);
}

type DataConfig = Parameters<typeof verifyBackupOffline>[0];

async function verify(config: DataConfig, file: string, all: boolean, json: boolean): Promise<number> {
  const { header, findings } = await verifyBackupOffline(config, {
    file,
    all,
    onProgress: reporter("verify"),
  });
  const { problems, keks, keksOpened, rowsVouched } = findings;
  const view = { id: header.id, createdAt: timeOf(header), tables: header.tables, ...findings };
  const said = [
    `Backup ${header.id} of ${timeOf(header)}`,
    `Schema ${header.schema}, made by Claviger ${header.claviger} on ${header.node}; rows by table:`,
    ...header.tables.map(({ table, rows }) => `  ${table.padEnd(16)}${String(rows).padStart(10)}`),
    `Opened ${keksOpened} of ${keks} KEKs; checked ${rowsVouched} row MACs.`,
    ...problems.map((problem) => `  problem: ${problem}`),
    problems.length === 0 ? "The backup is good." : "The backup is not good.",
  ];
  process.stdout.write(json ? `${JSON.stringify(view, null, 2)}\n` : `${said.join("\n")}\n`);
  return problems.length === 0 ? 0 : 1;
}

async function restore(config: DataConfig, file: string, json: boolean): Promise<number> {
  const { header, unitFailures } = await restoreBackupOffline(config, {
    file,
    onProgress: reporter("restore"),
  });
  for (const failure of unitFailures)
    process.stderr.write(`clavigerd: ${failure.message}\n  → ${failure.advice}\n`);
  const rows = header.tables.reduce((sum, table) => sum + table.rows, 0);
  const said = [
    `Restored backup ${header.id} of ${timeOf(header)}.`,
    `It has ${rows} rows. The service is read-only until an administrator runs \`claviger store accept-rollback\`.`,
  ];
  const view = { id: header.id, createdAt: timeOf(header), tables: header.tables };
  process.stdout.write(json ? `${JSON.stringify(view, null, 2)}\n` : `${said.join("\n")}\n`);
  return 0;
}

const REPORT_MS = 2_000;

/** Progress on stderr, a line every two seconds. */
function reporter(what: string): (progress: { readonly rows: number; readonly written: number }) => void {
  let saidAt = performance.now();
  return ({ rows, written }) => {
    if (performance.now() - saidAt < REPORT_MS) return;
    saidAt = performance.now();
    process.stderr.write(`${what}: ${written} of ${rows} rows\n`);
  };
}

function timeOf({ createdAtMs }: { readonly createdAtMs: number }): string {
  return new Date(createdAtMs).toISOString();
}

try {
  process.exitCode = await main();
} catch (error) {
  process.exitCode = report(error);
}

/** Says what happened, and returns the exit status. */
function report(error: unknown): number {
  if (isFailure(error)) {
    process.stderr.write(`clavigerd: ${error.code}: ${error.message}\n  → ${error.advice}\n`);
    return { precondition: 3, conflict: 4, blocked: 5, unavailable: 6 }[error.category as string] ?? 1;
  }
  const wrongUsage =
    error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
  process.stderr.write(
    wrongUsage ? `clavigerd: ${error.message}\n${USAGE}` : `clavigerd: ${stackOf(error)}\n`,
  );
  return wrongUsage ? 2 : 1;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
