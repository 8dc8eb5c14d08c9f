import { createReadStream, createWriteStream, readFileSync } from "node:fs";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Verification } from "@claviger/audit";
import { auditKeysOfPem, verifyExport } from "@claviger/audit";
import type { AuditQuery, AuditRecordView } from "@claviger/sdk";
import type { Command } from "commander";
import { Option } from "commander";
import { inSession, moreBehind, noun, settled, verb, wholeNumber, withExample } from "../command.ts";
import { UsageError } from "../exit-status.ts";
import type { Session } from "../session.ts";
import { Session as OpenSession } from "../session.ts";
import { count, note, plain, print, printJson, table } from "../terminal.ts";

const POLL_MS = 1_000;
const EXPORT_PATH = "audit.jsonl";

interface Filter {
  readonly principal?: string;
  readonly project?: string;
  readonly key?: string;
  readonly operation?: string;
  readonly outcome?: string;
  readonly since?: string;
  readonly until?: string;
}

interface VerifyOptions {
  readonly file?: string[];
  readonly keys?: string;
  readonly json?: boolean;
  readonly addr?: string;
}

export function auditCommands(program: Command): void {
  const audit = noun(program, "audit", "The audit log: who did what, allowed or refused; chained and signed");

  withFilter(
    verb(
      audit,
      "list",
      "List records, the newest first. Filters that are given must all fit; project and key are ids.",
      "claviger audit list --principal shops --outcome forbidden --since 2026-01-01T00:00:00Z",
    ),
  )
    .option("--limit <number>", "so many at most (default: 100)", wholeNumber(1, 1000))
    .option("--after <next>", "the page behind the one that ended with this `next`")
    .action(
      inSession(async (session, { limit, after, ...filter }: Filter & { limit?: number; after?: string }) => {
        const page = await session.client.audit.list({ ...filterOf(filter), limit, after });
        session.show(page, ({ items, next }) => recordTable(items) + (next === null ? "" : moreBehind(next)));
      }),
    );

  withFilter(
    verb(
      audit,
      "follow",
      "Show records as they come, one a line, until it is interrupted; with --json one document a line.",
      "claviger audit follow --operation decrypt",
    ),
  ).action(inSession(follow));

  const verify = settled(audit.command("verify"))
    .summary("Verify the audit log, or exports of it")
    .description(
      "Verify the whole audit log, on the service; or exports and archives of it here, with nothing but the public keys. Every fault is named with its chain and record. Ends with status 1 if there is one.",
    )
    .option("--json", "print the API's view as one JSON document")
    .addOption(
      new Option(
        "--addr <url>",
        "address of the service (default: CLAVIGER_ADDR, else http://127.0.0.1:8440)",
      ),
    )
    .option("--file <file...>", "verify these files, in this order, without the service")
    .option(
      "--keys <file>",
      "PEM file of the public keys that may sign; else those that the files bring along",
    )
    .action(async (options: VerifyOptions) => {
      await (options.file ? verifyFiles(options, options.file) : verifyOnline(options));
    });
  withExample(verify, "claviger audit verify --file audit.jsonl --keys claviger-data/audit/audit-keys.pem");

  verb(
    audit,
    "export",
    "Export the log as JSON lines: records, signed heads and public keys, to be verified without the service.",
    `claviger audit export --out ${EXPORT_PATH}`,
  )
    .option("--out <file>", "write to a new file (0600); default: stdout")
    .action(inSession(exportLog));

  verb(
    audit,
    "archive",
    "Move records up to a signed head into a file in the archive folder of the audit log. The file is verified before anything leaves the log; the signed head stays, so that verification goes on across it.",
    "claviger audit archive --before 2026-01-01T00:00:00Z",
  )
    .option("--before <time>", "only what was signed before then (RFC 3339; default: now)")
    .action(
      inSession(async (session, { before }: { before?: string }) => {
        session.show(await session.client.audit.archive({ before }), ({ file, records }) =>
          file === null ? "There is nothing to archive." : `Archived ${count(records)} records in ${file}.`,
        );
      }),
    );

  verb(
    audit,
    "rotate-key",
    "Have the log signed by a new key from now on. The key before introduces it in the log: whoever trusts that one verifies across the rotation.",
    "claviger audit rotate-key",
  ).action(
    inSession(async (session) => {
      session.show(await session.client.audit.rotateKey(), ({ fingerprint, signs }) =>
        signs
          ? `Key ${fingerprint} signs the audit log from now on.`
          : `Key ${fingerprint} signs the audit log as soon as the log can be written.`,
      );
    }),
  );

  verb(audit, "keys", "List the public keys that have ever signed the log.", "claviger audit keys").action(
    inSession(async (session) => {
      session.show({ items: await session.client.audit.keys() }, ({ items }) =>
        table(
          ["FINGERPRINT", "CREATED", "SIGNS"],
          items.map(({ fingerprint, createdAt, signs }) => [fingerprint, createdAt, signs ? "now" : "-"]),
          "No key has signed yet.",
        ),
      );
    }),
  );
}

function withFilter(command: Command): Command {
  return command
    .option("--principal <name>", "name or id of a principal")
    .option("--project <id>", "id of a project")
    .option("--key <id>", "id of a key")
    .option("--operation <name>", "a route, or an event of the service, as change.transition")
    .option("--outcome <outcome>", "allowed, or the code of a failure")
    .option("--since <time>", "from then on (RFC 3339)")
    .option("--until <time>", "before then (RFC 3339)");
}

function filterOf({ principal, project, key, operation, outcome, since, until }: Filter): AuditQuery {
  return { principal, project, key, operation, outcome, since, until };
}

function recordTable(items: readonly AuditRecordView[]): string {
  const rows = items.map((record) => [
    record.at,
    record.principal ?? "-",
    record.operation,
    record.outcome,
    touchedBy(record),
  ]);
  return table(["AT", "PRINCIPAL", "OPERATION", "OUTCOME", "TOUCHED"], rows, "There is no such record.");
}

function touchedBy(record: AuditRecordView): string {
  const { project, key, version, unit, register, change, subject, asked, note: said } = record;
  const named = [
    project !== null && key === null ? `project ${project}` : "",
    key === null ? "" : `key ${key}${version === null ? "" : ` v${version}`}`,
    unit === null ? "" : `unit ${unit}`,
    register === null ? "" : register,
    change === null ? "" : `change ${change}`,
    subject === null ? "" : subject,
    asked === null ? "" : `asked for ${asked}`,
    said === null ? "" : `(${said})`,
  ];
  return named.filter((part) => part !== "").join(" ");
}

async function follow(session: Session, filter: Filter): Promise<void> {
  const { audit } = session.client;
  const query = { ...filterOf(filter), order: "oldest" as const, limit: 1000 };
  let after = "end";
  for (;;) {
    const page = await audit.list({ ...query, after });
    for (const record of page.items) {
      if (session.json) print(JSON.stringify(record));
      else
        print(
          plain(
            [record.at, record.principal ?? "-", record.operation, record.outcome, touchedBy(record)].join(
              "  ",
            ),
          ),
        );
    }
    after = page.next ?? after;
    if (page.items.length < 1000) await sleep(POLL_MS);
  }
}

async function verifyOnline(options: VerifyOptions): Promise<void> {
  if (options.keys !== undefined)
    throw new UsageError("--keys is for --file.", "The service verifies against the keys that it keeps.");
  using session = new OpenSession(options);
  const found = await session.client.audit.verify();
  session.show(found, (view) => verificationText(view));
  if (!found.verified) process.exitCode = 1;
}

async function verifyFiles({ keys, json }: VerifyOptions, files: readonly string[]): Promise<void> {
  const trusted = keys === undefined ? undefined : auditKeysOfPem(readFileSync(keys, "utf8"));
  if (trusted?.length === 0)
    throw new UsageError(`There is no public key in ${keys ?? ""}.`, "Give the PEM file of the audit log.");
  const found = await verifyExport(contentOf(files), { trusted });
  const verified = found.faultCount === 0;
  if (json === true) printJson({ verified, ...found }, () => "");
  else print(verificationText(found));
  if (trusted === undefined && json !== true)
    note("The keys are those that the files bring along: compare their fingerprints, or give --keys.");
  if (!verified) process.exitCode = 1;
}

async function* contentOf(files: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const file of files) for await (const chunk of createReadStream(file)) yield chunk as Uint8Array;
}

/** What both verifications say of what they have found. */
type Found = Pick<Verification, "records" | "heads" | "unsigned" | "signedBy" | "faultCount"> & {
  readonly chains: readonly unknown[];
  readonly faults: readonly { what: string; chain: string; seq: number; detail: string }[];
};

function verificationText(found: Found): string {
  const { records, heads, chains, unsigned, signedBy, faults, faultCount } = found;
  const summary = `${many(records, "record")} in ${many(chains.length, "chain")}, ${many(heads, "signed head")}`;
  const lines = [
    faultCount === 0
      ? `The log is whole: ${summary}.`
      : `The log has ${many(faultCount, "fault")}: ${summary}.`,
    `unsigned   ${many(unsigned, "record")} behind the last signed head`,
    ...signedBy.map((fingerprint) => `signed by  ${fingerprint}`),
  ];
  if (faults.length === 0) return lines.join("\n");
  const rows = faults.map(({ what, chain, seq, detail }) => [what, chain, String(seq), detail]);
  return [...lines, table(["FAULT", "CHAIN", "RECORD", "WHAT"], rows, "")].join("\n");
}

/** `1 record`, `2 records`. */
function many(n: number, thing: string): string {
  return `${count(n)} ${thing}${n === 1 ? "" : "s"}`;
}

async function exportLog(session: Session, { out }: { out?: string }): Promise<void> {
  const target = out === undefined ? process.stdout : createWriteStream(out, { flags: "wx", mode: 0o600 });
  if (out !== undefined) await once(target, "open");
  for await (const lines of session.client.audit.export())
    if (!target.write(lines)) await once(target, "drain");
  if (out === undefined) return;
  target.end();
  await once(target, "finish");
  note(`Exported to ${out}.`);
}
