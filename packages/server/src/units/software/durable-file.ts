import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { link, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { randomNonce } from "../../core/crypto/random.ts";
import { Failure } from "../../core/errors.ts";

/**
 * A small file that is replaced as a whole: written to a temporary file of the same folder (mode 0600), synced,
 * renamed over the old one, and the folder synced. Readers see the old bytes or the new ones. A crash may leave a
 * temporary file, never half a file.
 */
export interface FileIdentity {
  /** Device, inode, size, mode, times of change: equal stamps mean that nobody wrote since. */
  readonly stamp: string;
  readonly digest: string;
}

export interface FileReading {
  readonly bytes: Uint8Array;
  readonly identity: FileIdentity;
}

/**
 * Writes `bytes` durably and returns the identity of the new file.
 * `replace: false` refuses to take the place of a file that is there.
 * @throws Failure `store-full`, `store-read-only` (naming the folder), `unit-unreachable`; `unit-exists` without `replace`.
 */
export async function writeDurably(
  path: string,
  bytes: Uint8Array,
  options: { replace: boolean },
): Promise<FileIdentity> {
  const folder = dirname(path);
  const temporary = join(folder, `${basename(path)}.${Buffer.from(randomNonce(8)).toString("hex")}.tmp`);
  try {
    if (!options.replace) await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeSynced(temporary, bytes);
    if (options.replace) {
      await stat(path);
      await rename(temporary, path);
    } else {
      // link, not rename: it fails when the name is taken, in one step.
      await link(temporary, path);
      await rm(temporary);
    }
    await syncFolder(folder);
    return { stamp: stampOf(await stat(path, { bigint: true })), digest: digestOf(bytes) };
  } catch (error) {
    // The first error is the one to tell; a temporary file that cannot be removed now is removed by the next open.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw writeFailure(error, folder);
  }
}

/**
 * Gives a file of its folder another name, durably. One that is not there is left.
 * @throws Failure `store-full`, `store-read-only` (naming the folder), `unit-unreachable`.
 */
export async function renameDurably(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
    await syncFolder(dirname(from));
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw writeFailure(error, dirname(from));
  }
}

/**
 * The file's bytes and identity.
 * @throws Failure `ifAbsent` when there is none, `unit-unreachable` when it cannot be read, `unit-file-tampered` when
 * it is larger than `maxBytes`.
 */
export async function readWhole(
  path: string,
  maxBytes: number,
  ifAbsent: "unit-missing" | "unit-unreachable",
): Promise<FileReading> {
  try {
    const handle = await open(path, "r");
    try {
      const stats = await handle.stat({ bigint: true });
      if (stats.size > BigInt(maxBytes))
        throw new Failure("unit-file-tampered", "the sealed file is larger than any unit writes");
      const bytes = await handle.readFile();
      return { bytes, identity: { stamp: stampOf(stats), digest: digestOf(bytes) } };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (errorCode(error) === "ENOENT")
      throw new Failure(ifAbsent, `there is no sealed file ${path}`, { cause: error });
    throw readFailure(error, path);
  }
}

/** Whether the file still has the stamp of `identity`: size, inode, times of change. @throws Failure `unit-unreachable`. */
export async function isUntouched(path: string, identity: FileIdentity): Promise<boolean> {
  try {
    return stampOf(await stat(path, { bigint: true })) === identity.stamp;
  } catch (error) {
    throw readFailure(error, path);
  }
}

/** Removes temporary files that a crash left beside `path`. */
export async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(path);
  const prefix = `${basename(path)}.`;
  try {
    for (const name of await readdir(folder)) {
      const middle = name.startsWith(prefix) && name.endsWith(".tmp") ? name.slice(prefix.length, -4) : "";
      if (/^[0-9a-f]{16}$/.test(middle)) await rm(join(folder, name), { force: true });
    }
  } catch (error) {
    const failure = writeFailure(error, folder);
    // A folder that cannot be written keeps its leftovers: its unit may be read all the same.
    if (failure.code !== "store-read-only") throw failure;
  }
}

async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, "wx", 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function stampOf(stats: BigIntStats): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs, stats.mode].join(" ");
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function readFailure(error: unknown, path: string): Failure {
  if (error instanceof Failure) return error;
  return new Failure("unit-unreachable", `the sealed file ${path} cannot be read`, { cause: error });
}

/** What a failure to write into a folder is to the caller. */
export function writeFailure(error: unknown, folder: string): Failure {
  switch (errorCode(error)) {
    case "ENOSPC":
    case "EDQUOT":
      return new Failure("store-full", `no space is left in ${folder}`, { cause: error });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new Failure("store-read-only", `${folder} cannot be written`, { cause: error });
    case "EEXIST":
      return new Failure("unit-exists", undefined, { cause: error });
    default:
      return new Failure("unit-unreachable", `the sealed file in ${folder} cannot be written`, {
        cause: error,
      });
  }
}

/** The code that node:fs gives an error, as `ENOENT`. */
export function errorCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
