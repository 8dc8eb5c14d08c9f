import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { link, mkdir, open, readdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Failure } from "../core/errors.ts";
import type { FailureCode } from "../core/errors.ts";
import type { BackupFolder, BackupSink, BackupSource } from "../core/ports/backup-folder.ts";

/*
 * Backups as files, 0600 in a folder 0700:
 * - a file has its name only when it is whole and on disk: it is written beside that, synced and linked;
 * - none is ever replaced;
 * - what a crash left is removed when the next one is begun. One daemon has the folder.
 */

const PARTIAL = ".partial";
const NAME = /^claviger-[0-9A-Za-z]{1,64}\.backup$/;

export function backupFolder(path: string): BackupFolder {
  return {
    create: async (name) => {
      await naming("backup-not-written", path, async () => {
        await mkdir(path, { recursive: true, mode: 0o700 });
        for (const left of await readdir(path))
          if (left.endsWith(PARTIAL)) await rm(join(path, left), { force: true });
      });
      return await beginFile(join(path, name));
    },
    list: async () => {
      const names = await naming("backup-unreadable", path, async () => {
        try {
          return await readdir(path);
        } catch (error) {
          if (codeOf(error) === "ENOENT") return []; // no backup was made yet
          throw error;
        }
      });
      return names.filter((name) => NAME.test(name)).toSorted();
    },
    open: async (name) => {
      if (!NAME.test(name)) throw new Failure("backup-not-found", `there is no backup ${name}`);
      return await openBackupFile(join(path, name));
    },
  };
}

async function beginFile(path: string): Promise<BackupSink> {
  const partial = `${path}${PARTIAL}`;
  const inFile = <Result>(act: () => Promise<Result>) => naming("backup-not-written", path, act);
  const file = await inFile(() => open(partial, "wx", 0o600));
  return {
    write: (bytes) => inFile(() => writeAll(file, bytes)),
    keep: () =>
      inFile(async () => {
        await file.sync();
        await file.close();
        await link(partial, path); // not renamed, which would replace one of the same name
        await rm(partial);
        await syncFolder(dirname(path));
      }),
    discard: async () => {
      // The first error is the one to tell; what cannot be removed now is removed when the next one is begun.
      await file.close().catch(() => undefined);
      await rm(partial, { force: true }).catch(() => undefined);
    },
  };
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength;) at += (await file.write(bytes, at)).bytesWritten;
}

/** Any file, wherever it lies. @throws Failure `backup-not-found`, `backup-unreadable`. */
export async function openBackupFile(path: string): Promise<BackupSource> {
  const inFile = <Result>(act: () => Promise<Result>) => naming("backup-unreadable", path, act);
  const file = await inFile(() => open(path, constants.O_RDONLY));
  try {
    const stats = await inFile(() => file.stat());
    if (!stats.isFile()) throw new Failure("backup-unreadable", `${path} is no file`, { field: path });
    return {
      name: basename(path),
      sizeBytes: stats.size,
      read: (offset, lengthBytes) => inFile(() => readAll(file, offset, lengthBytes)),
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readAll(file: FileHandle, offset: number, lengthBytes: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(lengthBytes);
  let at = 0;
  while (at < lengthBytes) {
    const { bytesRead } = await file.read(bytes, at, lengthBytes - at, offset + at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return bytes.subarray(0, at);
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Names the path and the reason in the failure for an error of the file system. */
async function naming<Result>(code: FailureCode, path: string, act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    const reason = codeOf(error);
    if (reason === undefined) throw error;
    if (reason === "ENOENT" && code === "backup-unreadable")
      throw new Failure("backup-not-found", `there is no backup ${path}`, { field: path, cause: error });
    throw new Failure(code, `${path}: ${REASONS[reason] ?? reason}`, { field: path, cause: error });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota of this user is used up",
  EROFS: "the file system is read-only",
  EACCES: "this user may not do that",
  EPERM: "this user may not do that",
  EEXIST: "a file of this name is there already, and is not replaced",
  ENOTDIR: "it is below something that is no folder",
  EFBIG: "the file system has no place for so large a file",
  EIO: "the disk reports an error",
};

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || !("syscall" in error)) return undefined;
  return String(error.code);
}
