import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClavigerClient, isVerified } from "@claviger/sdk";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Failure } from "../../packages/server/src/core/errors.ts";
import type { CryptoUnit } from "../../packages/server/src/core/unit/crypto-unit.ts";
import { checkLedger, createProject, emptyLedger } from "../crash/client-load.ts";
import type { Ledger } from "../crash/client-load.ts";
import { unitPath } from "../crash/data-folder.ts";
import { startTestDaemon } from "../daemon.ts";
import type { TestDaemon } from "../daemon.ts";

/*
 * A unit whose file is gone, or is an old copy, is taken out and added again under its address: its master keys come from
 * another unit of its group, in every state of a change. Applications notice nothing.
 */
const LOST = "01.0002";
type State = "STAGED" | "REENCIPHERING" | "READY";
let folder: string;
/** Whether the unit does not answer when it is to activate. */
let silent = false;
let daemon: TestDaemon;
let client: ClavigerClient;
let ledger: Ledger;

beforeEach(async () => {
  folder = join(mkdtempSync(join(tmpdir(), "claviger-lost-")), "data");
  silent = false;
  daemon = await startTestDaemon({
    folder,
    unit: (unit) => (unit.description.address === LOST ? silenced(unit) : unit),
  });
  client = new ClavigerClient(daemon);
  ledger = emptyLedger();
  await client.units.add({ address: LOST });
  for (let i = 0; i < 4; i += 1) await createProject(client, ledger, `p${i}`);
});
afterEach(async () => {
  client.close();
  await daemon[Symbol.asyncDispose]();
  rmSync(join(folder, ".."), { recursive: true });
});

function silenced(unit: CryptoUnit): CryptoUnit {
  const { registers } = unit;
  return {
    ...unit,
    registers: {
      read: () => registers.read(),
      execute: async (command) => {
        if (silent && command.verb === "activate") throw new Failure("unit-unreachable");
        return await registers.execute(command);
      },
      pinPeer: (peer) => registers.pinPeer(peer),
      exportFor: (recipient, request) => registers.exportFor(recipient, request),
      importFrom: (sender, request, wrapped) => registers.importFrom(sender, request, wrapped),
    },
  };
}

async function loadNew(): Promise<string> {
  const [filled] = await client.masterKeys.generate({ unit: "01.0001" });
  const vp = filled?.registers.NEW.vp ?? "";
  await client.masterKeys.copy();
  await client.masterKeys.commit({ vp });
  return vp;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error("it does not come about");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Destroys the unit's file, and does what the manual says. */
async function rebuild(): Promise<void> {
  rmSync(unitPath(folder, LOST));
  expect(await client.units.get(LOST)).toMatchObject({ reachable: false });
  await checkLedger(client, ledger);
  await client.units.remove(LOST);
  await client.units.add({ address: LOST });
  await sameRegisters();
  await createProject(client, ledger, "after-the-loss");
  await checkLedger(client, ledger);
}

async function sameRegisters(): Promise<void> {
  const [first, second] = [await client.units.get("01.0001"), await client.units.get(LOST)];
  expect(second).toMatchObject({ state: "serving", reachable: true });
  expect(second.registers.map(({ NEW, CURRENT }) => ({ NEW, CURRENT }))).toEqual(
    first.registers.map(({ NEW, CURRENT }) => ({ NEW, CURRENT })),
  );
}

/**
 * How many ciphertexts decrypt while the lost unit alone serves, so that it is proven by what it does and not by what it
 * shows.
 */
async function decryptedAlone(): Promise<number> {
  await client.units.quarantine("01.0001", "to prove the other one");
  await checkLedger(client, ledger);
  await client.units.readmit("01.0001");
  return ledger.ciphertexts.length;
}

describe("a unit whose file is destroyed is rebuilt from another unit of its group", () => {
  it("while no change is open", async () => {
    await rebuild();
    expect(await decryptedAlone()).toBeGreaterThan(3);
  });

  it("while a change is PLANNED, before and after NEW is loaded", async () => {
    await client.changes.create();
    await rebuild();
    const [filled] = await client.masterKeys.generate({ unit: "01.0001" });
    expect(filled?.registers.NEW.state).toBe("full uncommitted");
    ledger.projects.delete("after-the-loss"); // its name is taken now
    rmSync(unitPath(folder, LOST));
    await client.units.remove(LOST);
    await client.units.add({ address: LOST });
    await sameRegisters();
    expect(await decryptedAlone()).toBeGreaterThan(3);
  });

  it("while a change is STAGED", async () => {
    const { id } = await client.changes.create();
    const vp = await loadNew();
    await client.waitForChange(id, "STAGED");
    await rebuild();
    expect(await finish(id, vp, "STAGED")).toBeGreaterThan(3);
  });

  it("while a change is REENCIPHERING", async () => {
    const { id } = await client.changes.create({ rowsPerSecond: 1 });
    const vp = await loadNew();
    await client.waitForChange(id, "STAGED");
    await client.changes.reencipher(id);
    await client.changes.pause(id);
    await rebuild();
    await client.changes.resume(id);
    expect(await finish(id, vp, "REENCIPHERING")).toBeGreaterThan(3);
  });

  it("while a change is READY", async () => {
    const { id } = await client.changes.create();
    const vp = await loadNew();
    await client.waitForChange(id, "STAGED");
    await client.changes.reencipher(id);
    await client.waitForChange(id, "READY");
    await rebuild();
    expect(await finish(id, vp, "READY")).toBeGreaterThan(3);
  });

  it("while a change is ACTIVATING, and the unit has not activated", async () => {
    const { id } = await client.changes.create();
    const vp = await loadNew();
    await client.waitForChange(id, "STAGED");
    await client.changes.reencipher(id);
    await client.waitForChange(id, "READY");
    silent = true;
    await client.changes.activate(id, { vp });
    await until(async () => (await client.changes.get(id)).blockedReason !== null);
    expect((await client.changes.get(id)).state).toBe("ACTIVATING");
    rmSync(unitPath(folder, LOST));
    await checkLedger(client, ledger);
    await client.units.remove(LOST);
    await client.units.add({ address: LOST });
    silent = false;
    await client.waitForChange(id, isVerified);
    await client.changes.finalize(id);
    await client.waitForChange(id, "DONE");
    await sameRegisters();
    expect(await decryptedAlone()).toBeGreaterThan(3);
  });

  it("after it was activated and before a change is finalized, and after it is DONE", async () => {
    const { id } = await client.changes.create();
    const vp = await loadNew();
    await client.waitForChange(id, "STAGED");
    await client.changes.reencipher(id);
    await client.waitForChange(id, "READY");
    await client.changes.activate(id, { vp });
    await client.waitForChange(id, isVerified);
    await rebuild();
    await client.waitForChange(id, isVerified);
    await client.changes.finalize(id);
    await client.waitForChange(id, "DONE");
    ledger.projects.delete("after-the-loss");
    rmSync(unitPath(folder, LOST));
    await client.units.remove(LOST);
    await client.units.add({ address: LOST });
    expect(await decryptedAlone()).toBeGreaterThan(3);
  });

  async function finish(id: string, vp: string, state: State): Promise<number> {
    if (state === "STAGED") {
      await client.waitForChange(id, "STAGED");
      await client.changes.reencipher(id);
    }
    await client.waitForChange(id, "READY");
    await client.changes.activate(id, { vp });
    await client.waitForChange(id, isVerified);
    await client.changes.finalize(id);
    await client.waitForChange(id, "DONE");
    await checkLedger(client, ledger);
    return await decryptedAlone();
  }
});

describe("a unit's file that is put back from an old copy", () => {
  it("is named by what CURRENT holds, serves no more, is not readmitted, and is rebuilt the same way", async () => {
    copyFileSync(unitPath(folder, LOST), join(folder, "old-copy"));
    const { id } = await client.changes.create();
    const vp = await loadNew();
    await client.waitForChange(id, "STAGED");
    await client.changes.reencipher(id);
    await client.waitForChange(id, "READY");
    await client.changes.activate(id, { vp });
    await client.waitForChange(id, isVerified);
    await client.changes.finalize(id);
    await client.waitForChange(id, "DONE");

    copyFileSync(join(folder, "old-copy"), unitPath(folder, LOST));
    await until(async () => (await client.units.get(LOST)).state === "quarantined");
    const old = await client.units.get(LOST);
    expect(old.reason).toMatch(
      new RegExp(`^CURRENT holds [0-9a-f]{32}, the group's master key is ${vp.slice(0, 32)}$`),
    );
    await expect(client.units.readmit(LOST)).rejects.toMatchObject({ code: "unit-register-differs" });
    await checkLedger(client, ledger);
    await client.units.remove(LOST);
    await client.units.add({ address: LOST });
    await sameRegisters();
    expect(await decryptedAlone()).toBeGreaterThan(3);
  });
});
