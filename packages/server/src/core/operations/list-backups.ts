import type { BackupHeader } from "../backup/backup-header.ts";
import type { BackupRunner, BackupWork } from "../backup/backup-runner.ts";
import { readHeader } from "../backup/read-backup.ts";
import { Failure, isFailure } from "../errors.ts";
import type { BackupFolder } from "../ports/backup-folder.ts";

export interface BackupPorts {
  readonly backups: { readonly folder: BackupFolder; readonly runner: Pick<BackupRunner, "work" | "start"> };
}

/** A backup as operators see it: a file in the folder, or one that is being written or has failed. */
export interface BackupReport {
  readonly name: string;
  /** Of the file; undefined until it is whole. */
  readonly sizeBytes: number | undefined;
  /** What the file says of itself, which only a restore or `verify` proves; undefined where it cannot be read. */
  readonly header: BackupHeader | undefined;
  readonly work: BackupWork | undefined;
}

/** The oldest first. @throws Failure `backup-unreadable`. */
export async function listBackups({ backups }: BackupPorts): Promise<readonly BackupReport[]> {
  const reports: BackupReport[] = [];
  for (const name of await backups.folder.list()) {
    try {
      reports.push(await reportOf(backups.folder, name));
    } catch (error) {
      if (!isFailure(error, "backup-not-found")) throw error; // removed meanwhile
    }
  }
  const { work } = backups.runner;
  if (!work || work.state === "complete") return reports;
  return [...reports.filter(({ name }) => name !== work.name), reportOfWork(work)];
}

/** @throws Failure `backup-not-found`, `backup-unreadable`. */
export async function reportBackup(
  { backups }: BackupPorts,
  input: { readonly name: string },
): Promise<BackupReport> {
  const { work } = backups.runner;
  if (work?.name === input.name && work.state !== "complete") return reportOfWork(work);
  return await reportOf(backups.folder, input.name);
}

/** Begins a backup. @throws Failure `backup-running`. */
export function startBackup({ backups }: BackupPorts): BackupReport {
  return reportOfWork(backups.runner.start());
}

function reportOfWork(work: BackupWork): BackupReport {
  return { name: work.name, sizeBytes: undefined, header: undefined, work };
}

async function reportOf(folder: BackupFolder, name: string): Promise<BackupReport> {
  await using source = await folder.open(name);
  const { sizeBytes } = source;
  try {
    const { header } = await readHeader(source);
    return { name, sizeBytes, header, work: undefined };
  } catch (error) {
    if (!isFailure(error, "backup-damaged", "backup-newer")) throw error;
    return { name, sizeBytes, header: undefined, work: undefined };
  }
}

/** A piece of a backup, to be carried elsewhere. @throws Failure `backup-not-found`, `backup-unreadable`, `invalid-request`. */
export async function readBackup(
  { backups }: BackupPorts,
  input: { readonly name: string; readonly offset: number; readonly lengthBytes: number },
): Promise<{ readonly sizeBytes: number; readonly bytes: Uint8Array }> {
  await using source = await backups.folder.open(input.name);
  const { sizeBytes } = source;
  if (input.offset > sizeBytes)
    throw new Failure("invalid-request", `the backup has ${sizeBytes} bytes`, { field: "offset" });
  return { sizeBytes, bytes: await source.read(input.offset, input.lengthBytes) };
}
