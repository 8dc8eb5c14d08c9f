import { spawnSync } from "node:child_process";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { refusal } from "../../../../../test/contracts/crypto-unit-contract.ts";
import { isUntouched, readWhole, removeLeftovers, writeDurably } from "./durable-file.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "claviger-durable-"));
  path = join(folder, "file");
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe("a durable file", () => {
  test("is replaced as a whole, and known by its identity", async () => {
    const first = await writeDurably(path, Buffer.from("one"), { replace: false });
    expect(await isUntouched(path, first)).toBe(true);
    const second = await writeDurably(path, Buffer.from("two"), { replace: true });
    expect(await isUntouched(path, first)).toBe(false);
    const reading = await readWhole(path, 10, "unit-missing");
    expect(reading.identity).toEqual(second);
    expect(Buffer.from(reading.bytes).toString()).toBe("two");
    expect(await readdir(folder)).toEqual(["file"]);
  });

  test("is made where there is none, and replaced where there is one, never the other way", async () => {
    expect(await refusal(writeDurably(path, Buffer.from("x"), { replace: true }))).toBe("unit-unreachable");
    await writeFile(path, "theirs");
    expect(await refusal(writeDurably(path, Buffer.from("x"), { replace: false }))).toBe("unit-exists");
    expect(await readFile(path, "utf8")).toBe("theirs");
    expect(await readdir(folder)).toEqual(["file"]);
  });

  test("is not read beyond its bound", async () => {
    await writeFile(path, "0123456789a");
    expect(await refusal(readWhole(path, 10, "unit-missing"))).toBe("unit-file-tampered");
    expect(await refusal(readWhole(`${path}.no`, 10, "unit-missing"))).toBe("unit-missing");
    expect(await refusal(readWhole(folder, 1e6, "unit-missing"))).toBe("unit-unreachable");
  });

  test("leftovers of a crash are removed, and nothing else", async () => {
    const names = [
      "file",
      "file.tmp",
      "file.0123456789abcdef.tmp",
      "other.0123456789abcdef.tmp",
      "file.0123.tmp",
    ];
    for (const name of names) await writeFile(join(folder, name), "");
    await removeLeftovers(path);
    expect((await readdir(folder)).sort()).toEqual(
      names.filter((name) => name !== "file.0123456789abcdef.tmp").sort(),
    );
  });

  test("says that the folder is read-only, to a user who may not write there", async () => {
    await writeFile(path, "one");
    await chmod(path, 0o644);
    await chmod(folder, 0o555);
    const module = JSON.stringify(new URL("./durable-file.ts", import.meta.url).href);
    const script = `
      const { writeDurably } = await import(${module});
      if (process.getuid() === 0) process.setuid(65534);
      const told = await writeDurably(${JSON.stringify(path)}, Buffer.from("two"), { replace: true }).catch((e) => e);
      console.log(told.code, told.message);`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
    });
    await chmod(folder, 0o755);
    expect({ stdout, stderr }).toEqual({
      stdout: `store-read-only ${folder} cannot be written\n`,
      stderr: "",
    });
  });

  test("says that the disk is full, and leaves the old bytes", () => {
    // A file system of 16 KiB in a mount namespace of its own; the old file takes most of it.
    const module = JSON.stringify(new URL("./durable-file.ts", import.meta.url).href);
    const script = `
      const { readFileSync, readdirSync, writeFileSync } = await import("node:fs");
      const { writeDurably } = await import(${module});
      writeFileSync(${JSON.stringify(path)}, "old".repeat(4000));
      const told = await writeDurably(${JSON.stringify(path)}, Buffer.alloc(12000), { replace: true }).catch((e) => e);
      console.log(told.code, told.message);
      console.log(readdirSync(${JSON.stringify(folder)}).join(), readFileSync(${JSON.stringify(path)}).length);`;
    const mountAndRun = 'mount -t tmpfs -o size=16k tmpfs "$1" && exec "$2" --input-type=module -e "$3"';
    const namespaces = process.getuid?.() === 0 ? "-m" : "-rm";
    const args = [namespaces, "sh", "-c", mountAndRun, "sh", folder, process.execPath, script];
    const { stdout, stderr } = spawnSync("unshare", args, { encoding: "utf8" });
    expect({ stdout, stderr }).toEqual({
      stdout: `store-full no space is left in ${folder}\nfile 12000\n`,
      stderr: "",
    });
  });
});
