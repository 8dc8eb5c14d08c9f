import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { databasePath } from "./data-folder.ts";
import { startVictim } from "./run-point.ts";
import { administrator, startService } from "./service.ts";
import { Templates } from "./templates.ts";

const templates = new Templates(3);
afterAll(() => templates[Symbol.dispose]());

const logPath = (folder: string): string => join(folder, "audit", "audit.db");

/** A data folder in which these files are of an earlier moment. */
async function withOlder(files: (folder: string) => readonly string[]): Promise<string> {
  const { folder } = await templates.copy("base");
  for (const path of files(folder)) copyFileSync(path, `${path}.earlier`);
  {
    await using service = await startService(folder);
    using client = administrator(service, 0);
    await client.keys.create({ project: "shop-1", name: "later" });
  }
  for (const path of files(folder)) {
    for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
    copyFileSync(`${path}.earlier`, path);
  }
  return folder;
}

async function reasonsOf({ url }: { readonly url: string }): Promise<readonly string[]> {
  const reply = await fetch(new URL("/readyz", url));
  return ((await reply.json()) as { readonly reasons: readonly string[] }).reasons;
}

test.each(["before", "after"] as const)(
  "a daemon that is killed right %s it marks an older database finds that it is one at the next start too",
  async (moment) => {
    const folder = await withOlder((at) => [databasePath(at)]);
    const victim = await startVictim(templates, [folder, "store.markRollback", moment, "1"]);
    expect((await victim.gone).signal).toBe("SIGKILL");
    for (const start of ["first", "second"]) {
      await using service = await startService(folder);
      using client = administrator(service, 0);
      const found = expect.stringContaining("found older than crypto unit") as string;
      expect(await reasonsOf(service), start).toEqual([found]);
      const refused = client.keys.create({ project: "shop-1", name: "later" });
      await expect(refused).rejects.toMatchObject({ code: "store-rolled-back" });
    }
    await using service = await startService(folder);
    using client = administrator(service, 0);
    expect(await client.backups.acceptRollback()).toHaveLength(1);
    await client.keys.create({ project: "shop-1", name: "later" });
    expect((await client.audit.verify()).faults).toEqual([]);
  },
);

test.each([
  ["before the units anchor it", "unit.keepAnchors", "before", 1],
  ["between two units", "unit.keepAnchors", "after", 1],
  ["before the database begins the epoch", "store.acceptRollback", "before", 1],
  ["behind all of it", "store.acceptRollback", "after", 1],
] as const)(
  "an acceptance that is cut off %s is not done or done, and asked for once more at most",
  async (_when, call, moment, nth) => {
    const folder = await withOlder((at) => [databasePath(at), logPath(at)]);
    const victim = await startVictim(templates, [folder, call, moment, String(nth)]);
    const doomed = administrator({ url: (await victim.url) ?? "", folder }, 0);
    await expect(doomed.backups.acceptRollback()).rejects.toMatchObject({ code: "connection-lost" });
    expect((await victim.gone).signal).toBe("SIGKILL");
    doomed.close();
    const isDone = call === "store.acceptRollback" && moment === "after";
    {
      await using service = await startService(folder);
      using client = administrator(service, 0);
      expect((await reasonsOf(service)).length > 0).toBe(!isDone);
      if (!isDone) expect((await client.backups.acceptRollback()).length).toBeGreaterThan(0);
      await client.keys.create({ project: "shop-1", name: "later" });
    }
    await using service = await startService(folder);
    using client = administrator(service, 0);
    expect(await reasonsOf(service)).toEqual([]);
    expect((await client.audit.verify()).faults).toEqual([]);
  },
);
