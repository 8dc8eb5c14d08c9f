import { randomBytes } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import type { Stats } from "node:fs";
import { dirname, join } from "node:path";
import { Failure, isFailure } from "../core/errors.ts";
import type { FailureCode } from "../core/errors.ts";

/*
 * The data folder of the evaluation layout, which keeps units, PINs and database in sibling folders:
 * - the folder and each folder in it belong to the user that runs the service, and nobody else may enter (0700);
 * - what is found otherwise is refused, not mended: somebody else may have read or changed it already;
 * - a secret file is there whole or not at all, is readable for its owner only (0600), and is never overwritten.
 */

export interface DataFolder {
  readonly path: string;
  /** Sealed files of the software units. */
  readonly units: string;
  /** PIN files of the software units. */
  readonly pins: string;
  /** The database. */
  readonly store: string;
  /** The audit log of this node. */
  readonly audit: string;
  /** File of the first administrator's token. */
  readonly adminToken: string;
  /** Whether the folder was made by this call. */
  readonly created: boolean;
}

/**
 * Makes what is missing of the data folder, and checks what is there. Throws Failure `data-folder-unusable`,
 * `store-read-only` or `store-full`, which says what to do.
 */
export function openDataFolder(path: string): DataFolder {
  const inside = (name: string): string => join(path, name);
  const [units, pins, store, audit] = [inside("units"), inside("pins"), inside("store"), inside("audit")];
  const created = makePrivateFolder(path);
  for (const folder of [units, pins, store, audit]) makePrivateFolder(folder);
  return { path, units, pins, store, audit, adminToken: join(path, "admin.token"), created };
}

/**
 * Writes a file that only its owner may read, durably and all at once. Throws Failure `data-folder-unusable` if there
 * is one of that name. (A link and not a rename puts it in place, for a rename replaces what is there.)
 */
export function writeSecretFile(path: string, content: string | Uint8Array): void {
  const temporary = join(dirname(path), `.${randomBytes(8).toString("hex")}.tmp`);
  try {
    const file = openSync(temporary, "wx", 0o600);
    try {
      writeFileSync(file, content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    linkSync(temporary, path);
  } catch (error) {
    throw failureOfFile(error, path);
  } finally {
    rmSync(temporary, { force: true });
  }
  syncFolder(dirname(path));
}

/** Gives a file of a folder another name there, durably. One that is not there is left. Throws as `writeSecretFile`. */
export function renameDurably(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw failureOfFile(error, from);
  }
  syncFolder(dirname(from));
}

/** The failure for an error of the file system, or the error itself if it is none that an operator can mend. */
export function failureOfFile(error: unknown, path: string): Error {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  const [failure, complaint] = (typeof code === "string" ? FILE_FAILURES[code] : undefined) ?? [];
  if (failure !== undefined)
    return new Failure(failure, `${path} ${complaint}.`, { field: path, cause: error });
  return error instanceof Error ? error : new Error(`${path} cannot be used`, { cause: error });
}

const FILE_FAILURES: Readonly<Record<string, readonly [FailureCode, string]>> = {
  EACCES: ["data-folder-unusable", "cannot be used by this user"],
  EPERM: ["data-folder-unusable", "cannot be used by this user"],
  EEXIST: ["data-folder-unusable", "is there already, and is not replaced"],
  ENOTDIR: ["data-folder-unusable", "is not a folder, or is below a file"],
  ENOENT: ["data-folder-unusable", "is gone, or cannot be made there"],
  ELOOP: ["data-folder-unusable", "is a link in a circle"],
  ENAMETOOLONG: ["data-folder-unusable", "is too long a path"],
  EROFS: ["store-read-only", "is on a read-only file system"],
  ENOSPC: ["store-full", "is on a disk that is full"],
  EDQUOT: ["store-full", "is beyond the disk quota of this user"],
};

/** Makes the folder if it is not there; then checks that it is ours alone and may be written. True if it was made. */
function makePrivateFolder(path: string): boolean {
  try {
    const created = mkdirSync(path, { recursive: true, mode: 0o700 }) !== undefined;
    if (created) syncFolder(dirname(path));
    checkPrivate(path, statSync(path));
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return created;
  } catch (error) {
    if (isFailure(error)) throw error;
    if ((error as NodeJS.ErrnoException).code === "EEXIST") {
      throw new Failure("data-folder-unusable", `${path} is not a folder.`, { field: path, cause: error });
    }
    throw failureOfFile(error, path);
  }
}

function checkPrivate(path: string, stats: Stats): void {
  const refuse = (complaint: string): never => {
    throw new Failure("data-folder-unusable", complaint, { field: path });
  };
  const shown = shellQuoted(path);
  const self = process.getuid?.();
  if (self !== undefined && stats.uid !== self) {
    refuse(
      `${path} belongs to user ${stats.uid}, but the service runs as user ${self}: chown -R ${self} ${shown}`,
    );
  }
  const mode = stats.mode & 0o777;
  if (self !== undefined && (mode & 0o077) !== 0) {
    refuse(`${path} is open to other users (mode ${mode.toString(8).padStart(4, "0")}): chmod 700 ${shown}`);
  }
}

/** As a shell takes it literally: commands in messages are there to be copied. */
function shellQuoted(path: string): string {
  return /^[\w./+:@-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
