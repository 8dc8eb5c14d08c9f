import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ClavigerClient } from "@claviger/sdk";
import { expect, test } from "vitest";
import { copyFolder } from "../crash/data-folder.ts";
import { startTestDaemon } from "../daemon.ts";
import { SCRATCH } from "../model/scratch.ts";

const RELEASE_0_1_0 = fileURLToPath(new URL("../fixtures/release-0.1.0", import.meta.url));

test("a data folder of release 0.1.0 gets its audit log and its anchors by the start, and a second start finds them", async () => {
  const parent = mkdtempSync(join(SCRATCH, "claviger-upgrade-"));
  const folder = join(parent, "data");
  copyFolder(RELEASE_0_1_0, folder);
  try {
    for (const start of ["first", "second"]) {
      await using daemon = await startTestDaemon({ folder });
      using client = new ClavigerClient(daemon);
      expect(await client.audit.verify(), start).toMatchObject({ verified: true });
      for (const operation of ["audit.missing", "alarm.anchor-missing"])
        expect(await Array.fromAsync(client.audit.all({ operation })), start).toEqual([]);
      const [key, ...others] = await client.audit.keys();
      expect(others, start).toEqual([]);
      expect(readFileSync(join(folder, "audit", "audit-keys.pem"), "utf8"), start).toBe(key?.pem);
    }
    expect(existsSync(join(folder, "units", "01.0001.unit.anchors"))).toBe(true);
  } finally {
    rmSync(parent, { recursive: true });
  }
});
