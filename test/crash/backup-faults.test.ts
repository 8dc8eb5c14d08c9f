import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { ClavigerClient } from "@claviger/sdk";
import { describe, expect, test } from "vitest";
import { SCRATCH } from "../model/scratch.ts";
import { isWithout } from "../set-up/without.ts";
import { checkLedger, createProject, emptyLedger } from "./client-load.ts";
import { openDatabase } from "./data-folder.ts";

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const CLAVIGERD = file("../../packages/server/bin/clavigerd.js");

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error("it does not come about");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("a full disk at a backup is said, leaves no half file, and stops nothing; the next one is made when there is space", async () => {
  const place = mkdtempSync(join(SCRATCH, "claviger-full-"));
  const folder = join(place, "data");
  const backups = join(place, "backups");
  // A small file system of its own, which only the daemon sees; `ls` says through the shell what is in it.
  const script = [
    `mkdir -p ${backups} && mount -t tmpfs -o size=64k,mode=0700 tmpfs ${backups}`,
    `(while [ ! -e ${place}/grow ]; do sleep 0.1; done; ls -A ${backups} > ${place}/listing; mount -o remount,size=8m ${backups}; touch ${place}/grown) &`,
    `exec "$@"`,
  ].join("\n");
  const daemon = [process.execPath, "--disable-sigusr1", CLAVIGERD, "serve"];
  const child = spawn("unshare", ["-m", "sh", "-ec", script, "sh", ...daemon], {
    env: {
      ...process.env,
      CLAVIGER_DATA: folder,
      CLAVIGER_BACKUPS: backups,
      CLAVIGER_LISTEN: "127.0.0.1:0",
      CLAVIGER_LOG_LEVEL: "fatal",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    await until(() => / serves on \S+\n/.test(said));
    const address = / serves on (\S+)\n/.exec(said)?.[1] ?? "";
    using client = new ClavigerClient({
      address,
      token: readFileSync(join(folder, "admin.token"), "utf8").trim(),
    });
    const ledger = emptyLedger();
    await createProject(client, ledger, "shop");
    const db = openDatabase(folder, { readOnly: false });
    const insert = db.prepare("INSERT INTO change_history VALUES (NULL, 'none', ?, 'DONE', 'nobody', ?)");
    for (let i = 0; i < 500; i += 1) insert.run(i, "x".repeat(300));
    db.close();

    const { name } = await client.backups.create();
    await expect(client.backups.wait(name)).rejects.toMatchObject({
      code: "backup-not-written",
      category: "blocked",
      message: `${join(backups, name)}: the disk is full`,
    });
    expect(await client.backups.list()).toMatchObject([{ name, state: "failed", sizeBytes: null }]);
    await checkLedger(client, ledger);
    writeFileSync(join(place, "grow"), "");
    await until(() => readdirSync(place).includes("grown"));
    expect(readFileSync(join(place, "listing"), "utf8")).toBe("");
    const again = await client.backups.create();
    expect(await client.backups.wait(again.name)).toMatchObject({ state: "complete" });
    expect(await client.backups.list()).toMatchObject([{ name: again.name, state: "complete" }]);
  } finally {
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGTERM");
    await ended;
    rmSync(place, { recursive: true, force: true });
  }
});

// Rows are 300 bytes each as JSON and more than 1,000 as objects: the heap that the process may have does not hold them.
describe.each([
  { store: "sqlite", keks: 100_000 },
  { store: "postgresql", keks: 60_000 },
])("a database of $keks KEKs on $store", (of) => {
  test.skipIf(isWithout(of.store))(
    "is backed up and restored in memory that does not grow with them",
    async () => {
      const args = ["--max-old-space-size=128", file("backup-process.ts"), String(of.keks), of.store];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
      const figures = JSON.parse(await text(child.stdout)) as Record<
        "before" | "backup" | "restore" | "sizeMib" | "keks",
        number
      >;
      expect(figures.keks).toBe(of.keks + 1);
      expect(figures.sizeMib).toBeGreaterThan(10);
      expect(figures.restore - figures.before).toBeLessThan(90);
    },
  );
});
