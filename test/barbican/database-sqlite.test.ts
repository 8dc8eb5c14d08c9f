import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { open as openFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openDatabase } from "../../packages/server/src/barbican/database/open-database.ts";
import { insertKeks, insertProject, schema } from "./schema.ts";

const META = '{"mkek_label":"m"}';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "claviger-sqlite-"));
  path = join(folder, "barbican.sqlite");
  const database = new DatabaseSync(path);
  for (const sql of schema("sqlite")) database.exec(sql);
  database.exec(insertProject("p1", "external-1"));
  database.exec(insertKeks([{ id: "k1", projectId: "p1", pluginMeta: `'${META}'` }]));
  database.close();
});
afterEach(() => rmSync(folder, { recursive: true }));

async function failureOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "none",
    (error: Error & { code?: string }) => `${error.code}: ${error.message.replaceAll(folder, "")}`,
  );
}

describe("a Barbican on SQLite", () => {
  it("is not made where it is not there", async () => {
    const none = join(folder, "none.sqlite");
    expect(await failureOf(openDatabase(`sqlite:///${none}`))).toMatch(
      /^barbican-database-unsuitable: \/none\.sqlite: ENOENT/,
    );
    expect(existsSync(none)).toBe(false);
  });

  it("is refused where it is something else", async () => {
    writeFileSync(join(folder, "text"), "no database, and longer than a header of one");
    writeFileSync(join(folder, "empty"), "");
    expect(await failureOf(openDatabase(`sqlite:///${folder}/text`))).toBe(
      "barbican-database-unsuitable: /text: file is not a database.",
    );
    expect(await failureOf(openDatabase(`sqlite:///${folder}/empty`))).toMatch(/db upgrade/);
    expect(await failureOf(openDatabase(`sqlite:///${folder}`))).toBe(
      "barbican-database-unsuitable: : it is no file.",
    );
  });

  it("is read on behind a row that was removed meanwhile, and behind one that has another place since VACUUM", async () => {
    const beside = new DatabaseSync(path);
    // Not in the order of their ids, as UUIDs are not.
    const ids = ["e", "b", "d", "a", "c"];
    beside.exec(insertKeks(ids.map((id) => ({ id, projectId: "p1", pluginMeta: `'${META}'` }))));
    const database = await openDatabase(`sqlite:///${path}`);
    const page = async (after: string | null) => (await database.kekRows(after, 2)).map(({ id }) => id);
    expect(await page(null)).toEqual(["k1", "e"]);
    beside.exec("DELETE FROM kek_data WHERE id = 'e'");
    expect(await page("e")).toEqual(["b", "d"]);
    beside.exec("VACUUM");
    beside.exec(insertKeks([{ id: "0", projectId: "p1", pluginMeta: `'${META}'` }]));
    expect(await page("d")).toEqual(["a", "c"]);
    expect(await page("c")).toEqual(["0"]);
    expect(await page("0")).toEqual([]);
    beside.close();
    await database.close();
  });

  it("that may only be read is refused before the first row", async () => {
    const file = await openFile(path, "r+");
    await file.write(new Uint8Array([3]), 0, 1, 18); // the version for writing, of a later SQLite: this one only reads it
    await file.close();
    const database = await openDatabase(`sqlite:///${path}`);
    expect(await database.countKekRows()).toBe(1);
    expect(await failureOf(database.lockOutOthers())).toMatch(/^barbican-database-unsuitable: .*readonly/);
    await database.close();
  });

  it("is waited for while Barbican writes", async () => {
    const database = await openDatabase(`sqlite:///${path}`);
    const program = `const { DatabaseSync } = require("node:sqlite");
      const d = new DatabaseSync(process.argv[1]); d.exec("BEGIN IMMEDIATE"); console.log("begun");
      setTimeout(() => d.exec("COMMIT"), 500);`;
    const barbican = spawn(process.execPath, ["-e", program, path], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(barbican, "exit");
    await once(barbican.stdout, "data");
    const before = performance.now();
    expect(await database.replace([{ id: "k1", from: META, to: "new" }])).toEqual(new Set(["k1"]));
    expect(performance.now() - before).toBeGreaterThan(100);
    await ended;
    await database.close();
  });

  it.each(["delete", "wal"])("keeps its journal mode: %s", async (mode) => {
    const barbican = new DatabaseSync(path);
    barbican.exec(`PRAGMA journal_mode = ${mode}`);
    const database = await openDatabase(`sqlite:///${path}`);
    await database.replace([{ id: "k1", from: META, to: "new" }]);
    expect(barbican.prepare("PRAGMA journal_mode").get()).toEqual({ journal_mode: mode });
    expect(barbican.prepare("SELECT plugin_meta FROM kek_data").get()).toEqual({ plugin_meta: "new" });
    await database.close();
    barbican.close();
  });

  it("has one lock under all its names, and another process finds it taken", async () => {
    symlinkSync(path, join(folder, "link.sqlite"));
    const database = await openDatabase(`sqlite:///${path}`);
    const second = await openDatabase(`sqlite:///${folder}/link.sqlite`);
    await database.lockOutOthers();
    expect(await failureOf(second.lockOutOthers())).toMatch(/^barbican-run-in-progress: /);
    const program = `const { DatabaseSync } = require("node:sqlite");
      try { new DatabaseSync(process.argv[1], { timeout: 0 }).exec("BEGIN EXCLUSIVE"); } catch (e) { process.exit(e.errcode); }`;
    const other = spawn(process.execPath, ["-e", program, `${path}.rewrap-lock`], { stdio: "inherit" });
    expect(await once(other, "exit")).toEqual([5, null]);
    await database.close();
    await second.lockOutOthers();
    await second.close();
  });
});
