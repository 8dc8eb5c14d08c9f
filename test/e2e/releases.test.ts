import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ClavigerClient } from "@claviger/sdk";
import { expect, it } from "vitest";
import { copyFolder } from "../crash/data-folder.ts";
import { startTestDaemon } from "../daemon.ts";

const RELEASE_0_1_0 = fileURLToPath(new URL("../fixtures/release-0.1.0", import.meta.url));

it("what release 0.1.0 kept opens, and its tokens are still who they were", async () => {
  const parent = mkdtempSync(join(tmpdir(), "claviger-release-"));
  const folder = join(parent, "data");
  copyFolder(RELEASE_0_1_0, folder);
  const kept = (name: string) => readFileSync(join(folder, name), "utf8").trim();
  for (const start of ["first", "second"]) {
    await using daemon = await startTestDaemon({ folder });
    using admin = new ClavigerClient(daemon);
    const { items } = await admin.principals.list();
    expect(items.map(({ name }) => name).toSorted(), start).toEqual(["administrator", "second"]);
    using second = new ClavigerClient({ address: daemon.address, token: kept("second.token") });
    const { plaintext } = await second.keys.decrypt({
      project: "shop",
      ciphertext: Buffer.from(kept("card.sealed"), "base64"),
      context: { order: "42" },
    });
    expect(Buffer.from(plaintext).toString()).toBe("kept since 0.1.0");
    expect((await second.principals.whoAmI()).grants).toEqual([
      { role: "operator", project: null },
      { role: "key-user", project: null },
    ]);
    await admin.keys.rotate({ project: "shop", key: "orders" });
  }
  rmSync(parent, { recursive: true });
});
