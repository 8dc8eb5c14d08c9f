import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClavigerClient, isVerified } from "@claviger/sdk";
import { describe, expect, it } from "vitest";
import { startTestDaemon } from "../daemon.ts";

async function withProjects(client: ClavigerClient, count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => client.projects.create({ name: `p${i}` })));
}

/** Generates NEW on one unit, copies it to the others, commits it; returns its pattern. */
async function loadNew(client: ClavigerClient): Promise<string> {
  const [filled] = await client.masterKeys.generate();
  await client.masterKeys.copy();
  const vp = filled?.registers.NEW.vp ?? "";
  await client.masterKeys.commit({ vp });
  return vp;
}

async function wholeChange(client: ClavigerClient): Promise<string> {
  const { id } = await client.changes.create();
  const vp = await loadNew(client);
  await client.changes.reencipher(id);
  await client.waitForChange(id, "READY");
  await client.changes.activate(id, { vp });
  await client.waitForChange(id, isVerified);
  return id;
}

describe("a daemon", () => {
  it("answers supervisors and Prometheus without a token, and clients with the API document", async () => {
    await using daemon = await startTestDaemon();
    const get = async (path: string) => {
      const reply = await fetch(daemon.address + path);
      return { status: reply.status, text: await reply.text() };
    };
    expect(await get("/livez")).toEqual({ status: 200, text: '{"live":true}' });
    expect(await get("/readyz")).toEqual({ status: 200, text: '{"ready":true,"reasons":[]}' });
    const metrics = await get("/metrics");
    expect(metrics.text).toMatch(/claviger_keks_by_pattern\{vp="[0-9a-f]{64}",form="current"\} 1/);
    expect(metrics.text).toContain(
      'claviger_unit_register_state{unit="01.0001",register="WK CURRENT",state="valid"} 1',
    );
    expect((await get("/v1/openapi.json")).text).toContain('"openapi":"3.1');
  });

  it("starts again on its folder with what it had, and creates nothing", async () => {
    const folder = join(mkdtempSync(join(tmpdir(), "claviger-again-")), "data");
    const first = await startTestDaemon({ folder });
    expect(first.daemon.created).toBeDefined();
    const sdk = new ClavigerClient(first);
    await sdk.projects.create({ name: "shop" });
    await sdk.keys.create({ project: "shop", name: "k" });
    const { ciphertext } = await sdk.keys.encrypt({
      project: "shop",
      key: "k",
      plaintext: Buffer.from("kept"),
    });
    const before = await sdk.census();
    sdk.close();
    await first.daemon.stop();

    const second = await startTestDaemon({ folder });
    expect(second.daemon.created).toBeUndefined();
    expect(second.token).toBe(first.token);
    using again = new ClavigerClient(second);
    expect(await again.census()).toEqual(before);
    expect(
      Buffer.from((await again.keys.decrypt({ project: "shop", ciphertext })).plaintext).toString(),
    ).toBe("kept");
    await second.daemon.stop();
    rmSync(join(folder, ".."), { recursive: true });
  });

  it("stops at the end of a batch while a change re-enciphers, and goes on with it after the next start", async () => {
    const folder = join(mkdtempSync(join(tmpdir(), "claviger-stop-")), "data");
    const first = await startTestDaemon({ folder });
    const sdk = new ClavigerClient(first);
    await withProjects(sdk, 60);
    const { id } = await sdk.changes.create({ rowsPerSecond: 20 });
    await loadNew(sdk);
    await sdk.changes.reencipher(id);
    await sdk.waitForChange(id, ({ progress }) => progress.lacking < progress.keks - 5, { pollMs: 50 });
    sdk.close();
    const started = performance.now();
    await first.daemon.stop();
    expect(performance.now() - started).toBeLessThan(5_000);

    const second = await startTestDaemon({ folder });
    using again = new ClavigerClient(second);
    const { progress } = await again.changes.get(id);
    expect(progress.lacking).toBeGreaterThan(0);
    const ready = await again.waitForChange(id, "READY", { pollMs: 50 });
    expect(ready.progress).toMatchObject({ keks: 61, lacking: 0, failed: 0 });
    await second.daemon.stop();
    rmSync(join(folder, ".."), { recursive: true });
  });
});

describe("a master-key change", () => {
  it("of three units leaves exactly one pattern in use, and every unit with the same CURRENT", async () => {
    await using daemon = await startTestDaemon();
    using client = new ClavigerClient(daemon);
    await withProjects(client, 20);
    await client.units.add();
    await client.units.add({ address: "02.0007" });
    const id = await wholeChange(client);
    await client.changes.finalize(id);
    const done = await client.waitForChange(id, "DONE");
    expect(done.progress.verified.map(({ unit, complete }) => [unit, complete])).toEqual([
      ["01.0001", true],
      ["01.0002", true],
      ["02.0007", true],
    ]);
    const census = await client.census();
    expect(census.patterns.filter(({ current }) => current > 0)).toHaveLength(1);
    const current = (await client.units.list()).map(({ registers }) => registers[0]?.CURRENT.vp);
    expect(new Set(current)).toEqual(new Set([done.to]));
  });

  it("with freeze=mutations refuses create and rotate while it re-enciphers, and nothing else", async () => {
    await using daemon = await startTestDaemon();
    using client = new ClavigerClient(daemon);
    await withProjects(client, 20);
    const key = { project: "p0", key: "k" };
    await client.keys.create({ project: "p0", name: "k" });
    const { id } = await client.changes.create({ freeze: "mutations", rowsPerSecond: 4 });
    await loadNew(client);
    await client.changes.reencipher(id);
    for (const refused of [
      () => client.projects.create({ name: "late" }),
      () => client.keys.create({ project: "p1", name: "late" }),
      () => client.keys.rotate(key),
    ]) {
      await expect(refused()).rejects.toMatchObject({ code: "mutations-frozen", status: 423 });
    }
    await expect(client.keys.encrypt({ ...key, plaintext: Buffer.from("x") })).resolves.toBeDefined();
    await expect(client.keys.disable(key)).resolves.toMatchObject({ state: "disabled" });
    await client.changes.cancel(id);
    await client.waitForChange(id, "CANCELED");
    await expect(client.projects.create({ name: "late" })).resolves.toBeDefined();
  });

  it("is not finalized to a pattern that the configuration does not expect, and such a daemon does not start", async () => {
    const folder = join(mkdtempSync(join(tmpdir(), "claviger-expected-")), "data");
    const first = await startTestDaemon({ folder });
    const [group] = (await new ClavigerClient(first).status()).groups;
    await first.daemon.stop();
    const foreign = { CLAVIGER_EXPECTED_VPS: `default=${"0".repeat(32)}` };
    await expect(startTestDaemon({ folder, env: foreign })).rejects.toMatchObject({
      code: "pattern-not-expected",
    });

    const env = { CLAVIGER_EXPECTED_VPS: `default=${group?.current ?? ""}` };
    const second = await startTestDaemon({ folder, env });
    const client = new ClavigerClient(second);
    const id = await wholeChange(client);
    await expect(client.changes.finalize(id)).rejects.toMatchObject({ code: "pattern-not-expected" });
    const { to } = await client.changes.get(id);
    client.close();
    await second.daemon.stop();

    const both = { CLAVIGER_EXPECTED_VPS: `default=${group?.current ?? ""},${to ?? ""}` };
    const third = await startTestDaemon({ folder, env: both });
    using again = new ClavigerClient(third);
    await again.changes.finalize(id);
    await again.waitForChange(id, "DONE");
    await third.daemon.stop();
    rmSync(join(folder, ".."), { recursive: true });
  });

  it("passes obstacles only by the override that a second person approves", async () => {
    await using daemon = await startTestDaemon();
    using client = new ClavigerClient(daemon);
    const first = await wholeChange(client);
    await client.changes.finalize(first);
    await client.waitForChange(first, "DONE");
    // The forms of before are still there: a further change would push their master key out of OLD.
    const { id } = await client.changes.create();
    const vp = await loadNew(client);
    await client.changes.reencipher(id);
    await client.waitForChange(id, "READY");
    await expect(client.changes.activate(id, { vp })).rejects.toMatchObject({ code: "change-not-ready" });
    const asked = await client.changes.activate(id, { vp, override: true });
    expect(asked).toMatchObject({ state: "READY", approval: { action: "override", approvedBy: null } });
    await expect(client.changes.approve(id)).rejects.toMatchObject({ code: "approval-own", status: 403 });
    const { token } = await client.principals.create({ name: "second", grants: [{ role: "operator" }] });
    using second = new ClavigerClient({ address: daemon.address, token });
    await second.changes.approve(id);
    const activated = await client.waitForChange(id, "ACTIVATED");
    expect(activated.history.map(({ by }) => by)).toContain("second");
  });

  it("waits for the purge of an earlier change, which may be done beside it", async () => {
    await using daemon = await startTestDaemon();
    using client = new ClavigerClient(daemon);
    const earlier = await wholeChange(client);
    await client.changes.finalize(earlier);
    await client.waitForChange(earlier, "DONE");
    const { id } = await client.changes.create();
    const vp = await loadNew(client);
    await client.changes.reencipher(id);
    await client.waitForChange(id, "READY");
    await expect(client.changes.activate(id, { vp })).rejects.toMatchObject({
      code: "change-not-ready",
      message: expect.stringContaining("purge the earlier change first") as string,
    });
    await client.changes.purge(earlier);
    const { token } = await client.principals.create({ name: "second", grants: [{ role: "custodian" }] });
    using second = new ClavigerClient({ address: daemon.address, token });
    await second.changes.approve(earlier);
    await client.waitForChange(earlier, "PURGED");
    await client.changes.activate(id, { vp });
    await client.waitForChange(id, isVerified);
  });

  it("goes on without a unit that a person quarantined, which follows when it is readmitted", async () => {
    await using daemon = await startTestDaemon();
    using client = new ClavigerClient(daemon);
    await withProjects(client, 5);
    await client.units.add();
    const { id } = await client.changes.create();
    const vp = await loadNew(client);
    await client.changes.reencipher(id);
    await client.waitForChange(id, "READY");
    await client.units.quarantine("01.0002", "its rack is being moved");
    await client.changes.activate(id, { vp });
    await client.waitForChange(id, isVerified);
    const back = await client.units.readmit("01.0002");
    expect(back).toMatchObject({ state: "serving", registers: [{ CURRENT: { vp } }] });
    const { progress } = await client.waitForChange(id, isVerified);
    expect(progress.verified.map(({ unit, complete }) => [unit, complete])).toEqual([
      ["01.0001", true],
      ["01.0002", true],
    ]);
  });
});
