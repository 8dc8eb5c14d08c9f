import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { Failure } from "../core/errors.ts";
import { lockDataFolder } from "./data-folder-lock.ts";

const freshFolder = (): string => mkdtempSync(join(tmpdir(), "claviger-lock-"));

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** Another process that tries to take the lock, says how that went, and keeps what it has until it is killed. */
async function otherProcess(
  folder: string,
): Promise<{ readonly child: ChildProcess; readonly said: string }> {
  const program = `const { lockDataFolder } = await import(${JSON.stringify(new URL("./data-folder-lock.ts", import.meta.url).href)});
    try {
      const lock = lockDataFolder(${JSON.stringify(folder)});
      process.stdout.write("held");
      setInterval(() => lock, 1000);
    } catch (error) {
      process.stdout.write(error.code);
    }`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const [said] = (await once(child.stdout, "data")) as [Buffer];
  return { child, said: said.toString() };
}

function refusalOf(action: () => unknown): Failure {
  try {
    action();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

test("a second process is refused, and told which one has the folder", async () => {
  const folder = freshFolder();
  const { child, said } = await otherProcess(folder);
  expect(said).toBe("held");
  const failure = refusalOf(() => lockDataFolder(folder));
  expect(failure.code).toBe("data-folder-in-use");
  expect(failure.message).toContain(`process ${child.pid}`);
});

test("SIGKILL gives the folder free, with nothing to clean up", async () => {
  const folder = freshFolder();
  const { child, said } = await otherProcess(folder);
  expect(said).toBe("held");
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(existsSync(join(folder, "daemon.pid"))).toBe(true);
  using lock = lockDataFolder(folder);
  expect(lock).toBeDefined();
  expect(readFileSync(join(folder, "daemon.pid"), "utf8")).toBe(`${process.pid}\n`);
});

test("a second daemon of the same process is refused, and the refusal does not cost the first its lock", async () => {
  const folder = freshFolder();
  using lock = lockDataFolder(folder);
  expect(refusalOf(() => lockDataFolder(folder)).code).toBe("data-folder-in-use");
  expect((await otherProcess(folder)).said).toBe("data-folder-in-use");
  expect(lock).toBeDefined();
});

test("release gives the folder free, may be called twice, and removes the note", () => {
  const folder = freshFolder();
  const first = lockDataFolder(folder);
  first.release();
  first.release();
  expect(existsSync(join(folder, "daemon.pid"))).toBe(false);
  using second = lockDataFolder(folder);
  expect(second).toBeDefined();
});

test("its files are for their owner only", () => {
  const folder = freshFolder();
  using lock = lockDataFolder(folder);
  for (const name of ["daemon.lock", "daemon.pid"])
    expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  expect(lock).toBeDefined();
});

test("folders do not share a lock", () => {
  using one = lockDataFolder(freshFolder());
  using other = lockDataFolder(freshFolder());
  expect(one).not.toBe(other);
});

test("a pid file of nonsense is not repeated", () => {
  const folder = freshFolder();
  using lock = lockDataFolder(folder);
  writeFileSync(join(folder, "daemon.pid"), "1; echo nonsense\n");
  expect(refusalOf(() => lockDataFolder(folder)).message).not.toContain("nonsense");
  expect(lock).toBeDefined();
});

test("refuses a folder that is not there, and a lock file that is none", () => {
  expect(refusalOf(() => lockDataFolder("/nowhere/at/all")).code).toBe("data-folder-unusable");
  const folder = freshFolder();
  writeFileSync(join(folder, "daemon.lock"), "this is no lock file, and much longer than nothing".repeat(30));
  expect(refusalOf(() => lockDataFolder(folder)).code).toBe("data-folder-unusable");
});
