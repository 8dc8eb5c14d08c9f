import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ClavigerClient, isVerified } from "@claviger/sdk";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { clockOf, putClockAhead } from "../crash/clock-ahead.ts";
import { startTestDaemon } from "../daemon.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const key = { project: "shop", key: "orders" };
let parent: string;
let folder: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "claviger-life-"));
  folder = join(parent, "data");
});
afterEach(() => rmSync(parent, { recursive: true }));

async function withDaemon<Result>(act: (client: ClavigerClient) => Promise<Result>): Promise<Result> {
  await using daemon = await startTestDaemon({ folder, clock: clockOf(folder) });
  try {
    using client = new ClavigerClient(daemon);
    return await act(client);
  } finally {
    await daemon.daemon.stop();
  }
}

/** A key whose deletion is due in a week, and a ciphertext under it. */
function scheduled(): Promise<{ readonly id: string; readonly ciphertext: Uint8Array }> {
  return withDaemon(async (client) => {
    await client.projects.create({ name: "shop" });
    const { id } = await client.keys.create({ project: "shop", name: "orders" });
    const { ciphertext } = await client.keys.encrypt({ ...key, plaintext: Buffer.from("x") });
    const { state } = await client.keys.scheduleDeletion({ ...key, days: 7 });
    expect(state).toBe("pending-deletion");
    return { id, ciphertext };
  });
}

/** The state of the key once it is destroyed, or after some seconds. */
async function stateInTime(client: ClavigerClient, id: string): Promise<string> {
  for (let looks = 0; ; looks += 1) {
    const { state } = await client.keys.get({ project: "shop", key: id });
    if (state === "destroyed" || looks === 100) return state;
    await sleep(100);
  }
}

describe("a key whose deletion is due", () => {
  it("is destroyed by a daemon that starts later, and its ciphertexts stay closed for ever", async () => {
    const { id, ciphertext } = await scheduled();
    putClockAhead(folder, 40 * DAY_MS);
    await withDaemon(async (client) => {
      expect(await stateInTime(client, id)).toBe("destroyed");
      const gone = { code: "key-destroyed", status: 409 };
      await expect(client.keys.decrypt({ project: "shop", ciphertext })).rejects.toMatchObject(gone);
      await expect(client.keys.enable({ project: "shop", key: id })).rejects.toMatchObject(gone);
      await expect(client.keys.get(key)).rejects.toMatchObject({ code: "key-not-found" });
      const shown = await client.keys.get({ project: "shop", key: id });
      expect(Date.parse(shown.destroyedAt ?? "")).toBeGreaterThan(Date.parse(shown.deletionAt ?? ""));
      expect((await client.keys.list({ project: "shop" })).items).toEqual([]);
      const all = await Array.fromAsync(client.keys.all({ project: "shop", include: "destroyed" }));
      expect(all.map(({ name, state }) => [name, state])).toEqual([["orders", "destroyed"]]);
      const next = await client.keys.create({ project: "shop", name: "orders" });
      expect(next.id).not.toBe(id);
    });
  });

  it("is destroyed while the daemon runs", async () => {
    const { id } = await scheduled();
    await withDaemon(async (client) => {
      putClockAhead(folder, 8 * DAY_MS);
      expect(await stateInTime(client, id)).toBe("destroyed");
    });
  });

  it("is not destroyed by a daemon whose clock has not come to it, and comes back with all that it opened", async () => {
    const { id, ciphertext } = await scheduled();
    putClockAhead(folder, 7 * DAY_MS - 60_000);
    await withDaemon(async (client) => {
      await sleep(1_500); // more than one look
      expect((await client.keys.get({ project: "shop", key: id })).state).toBe("pending-deletion");
      await client.keys.cancelDeletion(key);
      await client.keys.enable(key);
      const { plaintext } = await client.keys.decrypt({ project: "shop", ciphertext });
      expect(Buffer.from(plaintext).toString()).toBe("x");
    });
  });
});

describe("a master-key change", () => {
  it("leaves imported keys and signatures as they were", async () => {
    await withDaemon(async (client) => {
      await client.projects.create({ name: "shop" });
      await client.keys.create({ project: "shop", name: "own", origin: "imported" });
      const own = { project: "shop", key: "own" };
      await client.keys.importMaterial({ ...own, material: new Uint8Array(32).fill(7) });
      await client.keys.create({ project: "shop", name: "release", spec: "ED25519" });
      const release = { project: "shop", key: "release" };
      const message = Buffer.from("release 1.0");
      const { ciphertext } = await client.keys.encrypt({ ...own, plaintext: message });
      const { signature } = await client.keys.sign({ ...release, message });
      const before = await client.keys.exportPublic(release);

      const { id } = await client.changes.create();
      const [filled] = await client.masterKeys.generate();
      const vp = filled?.registers.NEW.vp ?? "";
      await client.masterKeys.commit({ vp });
      await client.changes.reencipher(id);
      await client.waitForChange(id, "READY");
      await client.changes.activate(id, { vp });
      await client.waitForChange(id, isVerified);
      await client.changes.finalize(id);
      await client.waitForChange(id, "DONE");

      expect(await client.keys.exportPublic(release)).toEqual(before);
      expect((await client.keys.verify({ ...release, message, signature })).valid).toBe(true);
      const again = await client.keys.sign({ ...release, message });
      expect(again.signature).toEqual(signature); // Ed25519 has no chance in it: the same key signs the same
      const opened = await client.keys.decrypt({ project: "shop", ciphertext });
      expect(Buffer.from(opened.plaintext)).toEqual(message);
    });
  });
});
