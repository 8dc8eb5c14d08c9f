import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isFailure } from "../core/errors.ts";
import { backupFolder, openBackupFile } from "./backup-folder.ts";

const NAME = "claviger-20261125T163530123Z.backup";
let place: string;
let path: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "claviger-folder-"));
  path = join(place, "backups");
});
afterEach(() => rmSync(place, { recursive: true }));

const codeOf = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call;
    return "done";
  } catch (error) {
    if (isFailure(error)) return error.code;
    throw error;
  }
};

test("a file has its name only when it is kept, and is for its owner only", async () => {
  const folder = backupFolder(path);
  const sink = await folder.create(NAME);
  await sink.write(Buffer.from("one "));
  expect(await folder.list()).toEqual([]);
  expect(await codeOf(folder.open(NAME))).toBe("backup-not-found");
  await sink.write(Buffer.from("two"));
  await sink.keep();
  expect(await folder.list()).toEqual([NAME]);
  expect(readdirSync(path)).toEqual([NAME]);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(statSync(join(path, NAME)).mode & 0o777).toBe(0o600);
  await using source = await folder.open(NAME);
  expect([source.sizeBytes, Buffer.from(await source.read(4, 100)).toString()]).toEqual([7, "two"]);
});

test("nothing is left of what was discarded, and what a crash left is removed when the next one is begun", async () => {
  const folder = backupFolder(path);
  const sink = await folder.create(NAME);
  await sink.write(Buffer.from("half"));
  await sink.discard();
  expect(readdirSync(path)).toEqual([]);
  writeFileSync(join(path, `${NAME}.partial`), "from before a crash");
  writeFileSync(join(path, "mine.txt"), "not ours");
  await (await folder.create("claviger-2.backup")).keep();
  expect(readdirSync(path).toSorted()).toEqual(["claviger-2.backup", "mine.txt"]);
  expect(await folder.list()).toEqual(["claviger-2.backup"]);
});

test("a backup is never replaced", async () => {
  const folder = backupFolder(path);
  await (await folder.create(NAME)).keep();
  const second = await folder.create(NAME);
  expect(await codeOf(second.keep())).toBe("backup-not-written");
  await second.discard();
  expect(readdirSync(path)).toEqual([NAME]);
});

test("names that lead elsewhere are no backups", async () => {
  mkdirSync(path);
  writeFileSync(join(place, "secret"), "s");
  const folder = backupFolder(path);
  for (const name of ["../secret", "claviger-/../../secret.backup", "claviger-..backup", "/etc/passwd", ""])
    expect(await codeOf(folder.open(name))).toBe("backup-not-found");
});

test("a folder that cannot be made, and a file that is none, are named", async () => {
  writeFileSync(join(place, "file"), "");
  expect(await codeOf(backupFolder(join(place, "file", "below")).create(NAME))).toBe("backup-not-written");
  expect(await codeOf(openBackupFile(place))).toBe("backup-unreadable");
  expect(await codeOf(openBackupFile(join(place, "nothing")))).toBe("backup-not-found");
  expect(await backupFolder(join(place, "nothing")).list()).toEqual([]);
  expect(existsSync(join(place, "nothing"))).toBe(false);
});
