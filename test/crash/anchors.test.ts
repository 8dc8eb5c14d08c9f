import { copyFileSync, rmSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { databasePath } from "./data-folder.ts";
import { startVictim } from "./run-point.ts";
import { administrator, startService } from "./service.ts";
import { Templates } from "./templates.ts";

const templates = new Templates(3);
afterAll(() => templates[Symbol.dispose]());

test.each(["before", "after"] as const)(
  "a daemon that is killed right %s it marks an older database finds that it is one at the next start too",
  async (moment) => {
    const { folder } = await templates.copy("base");
    const earlier = `${folder}.earlier`;
    copyFileSync(databasePath(folder), earlier);
    {
      await using service = await startService(folder);
      using client = administrator(service, 0);
      await client.keys.create({ project: "shop-1", name: "later" });
    }
    for (const suffix of ["-wal", "-shm"]) rmSync(databasePath(folder) + suffix, { force: true });
    copyFileSync(earlier, databasePath(folder));
    const victim = await startVictim(templates, [folder, "store.markRollback", moment, "1"]);
    expect((await victim.gone).signal).toBe("SIGKILL");
    for (const start of ["first", "second"]) {
      await using service = await startService(folder);
      using client = administrator(service, 0);
      const { reasons } = (await (await fetch(new URL("/readyz", service.url))).json()) as {
        reasons: string[];
      };
      expect(reasons, start).toEqual([expect.stringContaining("found older than crypto unit")]);
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
