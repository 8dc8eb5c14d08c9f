import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import type { BackupView } from "@claviger/sdk";
import { ClavigerError } from "@claviger/sdk";
import { inSession, noun, verb } from "../command.ts";
import { handOn } from "./daemon.ts";
import { ProgressLine } from "../progress-line.ts";
import { shownPattern } from "../registers.ts";
import type { Session } from "../session.ts";
import { count, note, plain, table } from "../terminal.ts";

export function backupCommands(program: Command): void {
  const backup = noun(program, "backup", "Backups of the database, encrypted, made while everything runs");

  verb(
    backup,
    "create",
    "Make a backup of the database as it is now. It is written into the folder of backups on the machine of the service, and with --output to you as well. It holds no crypto unit and no PIN: keep copies of those apart from it.",
    "claviger backup create --output claviger.backup",
  )
    .option("--output <file>", "write it to a new file here too (0600), or with - to stdout")
    .action(inSession(create));

  verb(
    backup,
    "list",
    "List the backups in the folder of the service, the oldest first, with the master keys that they need. What it says of a file is proven by `clavigerd backup verify` only.",
    "claviger backup list",
  ).action(
    inSession(async (session) => {
      session.show({ items: await session.client.backups.list() }, ({ items }) => listText(items));
    }),
  );

  for (const [name, about] of Object.entries(OFFLINE)) handOn(backup, ["backup", name], about);
}

/** Verbs of `clavigerd`, which need no running daemon. */
const OFFLINE = {
  verify: "Prove that a backup can be restored with the units at hand",
  restore: "Bring a backup into an empty data folder",
} as const;

/** A backup that takes no longer shows no progress. */
const QUIET_MS = 1_000;

async function create(session: Session, { output }: { readonly output?: string }): Promise<void> {
  const { backups } = session.client;
  const line = new ProgressLine();
  const begun = await backups.create();
  const shownAt = performance.now() + QUIET_MS;
  const done = await backups.wait(begun.name, {
    onProgress: (view) => {
      if (performance.now() > shownAt) line.update(progressOf(view));
    },
  });
  line.clear();
  if (output !== undefined) await download(session, done, output);
  if (output === "-") return;
  session.show(done, (view) => {
    const where = output === undefined ? "" : `, and to ${output}`;
    return `Wrote ${view.name}${where}: ${count(view.rows ?? 0)} rows, ${count(view.sizeBytes ?? 0)} bytes.`;
  });
}

/** To a new file, which is removed when it does not become whole, or to stdout. */
async function download({ client }: Session, { name }: BackupView, output: string): Promise<void> {
  const pieces = Readable.from(client.backups.read(name), { objectMode: true });
  if (output === "-") {
    for await (const piece of pieces) if (!process.stdout.write(piece as Uint8Array)) await drained();
    return;
  }
  const file = createWriteStream(output, { flags: "wx", mode: 0o600, flush: true });
  try {
    await pipeline(pieces, file);
  } catch (error) {
    if (!isTaken(error)) await rm(output, { force: true });
    note(`The backup itself is complete, as ${plain(name)} in the folder of the service.`);
    throw error;
  }
}

function drained(): Promise<void> {
  return new Promise((resolve) => process.stdout.once("drain", resolve));
}

function isTaken(error: unknown): boolean {
  return (
    !(error instanceof ClavigerError) && error instanceof Error && "code" in error && error.code === "EEXIST"
  );
}

function progressOf({ rows, written }: BackupView) {
  return {
    what: "backup",
    done: written ?? 0,
    total: rows,
    detail: rows === null ? "" : `${count(written ?? 0)} of ${count(rows)} rows`,
  };
}

function listText(items: readonly BackupView[]): string {
  const rows = items.map(({ name, state, createdAt, rows: held, sizeBytes, masterKeys, failure }) => [
    name,
    state,
    createdAt ?? "-",
    held === null ? "-" : count(held),
    sizeBytes === null ? "-" : count(sizeBytes),
    failure?.message ?? (masterKeys.flatMap(({ vps }) => vps.map(shownPattern)).join(" ") || "-"),
  ]);
  return table(["NAME", "STATE", "CREATED", "ROWS", "BYTES", "NEEDS"], rows, "There is no backup.");
}
