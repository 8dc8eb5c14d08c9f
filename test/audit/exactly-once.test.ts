import { afterAll, expect, test } from "vitest";
import { openDatabase } from "../crash/data-folder.ts";
import { startVictim } from "../crash/run-point.ts";
import { administrator, startService } from "../crash/service.ts";
import { Templates } from "../crash/templates.ts";

const templates = new Templates(3);
afterAll(() => templates[Symbol.dispose]());

test.for([
  ["before the mutation", "store.createKey", "before", 0],
  ["between the mutation and the take-over", "store.createKey", "after", 1],
  ["between the take-over and the drop of the row", "store.dropOutbox", "before", 1],
  ["behind the drop of the row", "store.dropOutbox", "after", 1],
] as const)(
  "a daemon that is killed %s has recorded it once, or not at all with it",
  async ([, call, moment, times]) => {
    const run = await templates.copy("base");
    const victim = await startVictim(templates, [run.folder, call, moment, "1"]);
    const url = await victim.url;
    const client = administrator({ url: url ?? "", folder: run.folder }, 0);
    await client.keys.create({ project: "shop-1", name: "once" }).catch(() => undefined);
    expect((await victim.gone).signal).toBe("SIGKILL");
    client.close();
    {
      await using service = await startService(run.folder);
      using auditor = administrator(service, 0);
      const created = await Array.fromAsync(auditor.audit.all({ operation: "createKey" }));
      expect(created.filter(({ asked }) => asked === "once")).toHaveLength(times);
      const keys = await Array.fromAsync(auditor.keys.all({ project: "shop-1" }));
      expect(keys.filter(({ name }) => name === "once")).toHaveLength(times);
      expect(await auditor.audit.verify()).toMatchObject({ verified: true, faults: [] });
    }
    using db = openDatabase(run.folder);
    expect(db.prepare("SELECT count(*) AS n FROM audit_outbox").get()).toEqual({ n: 0 });
  },
);
