import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import type { UnitAddress } from "../../packages/server/src/core/ids.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../../packages/server/src/core/ids.ts";
import { activateChange } from "../../packages/server/src/core/operations/activate-change.ts";
import { approveChange } from "../../packages/server/src/core/operations/approve-change.ts";
import { cancelChange } from "../../packages/server/src/core/operations/cancel-change.ts";
import { createProject } from "../../packages/server/src/core/operations/create-project.ts";
import { finalizeChange } from "../../packages/server/src/core/operations/finalize-change.ts";
import { purgeChange } from "../../packages/server/src/core/operations/purge-change.ts";
import { quarantineUnit } from "../../packages/server/src/core/operations/quarantine-unit.ts";
import { reencipherChange } from "../../packages/server/src/core/operations/reencipher-change.ts";
import { removeUnit } from "../../packages/server/src/core/operations/remove-unit.ts";
import { refusal } from "../contracts/crypto-unit-contract.ts";
import { Book } from "./book.ts";
import { allChanges, checkDecrypts, checkInvariants, request } from "./invariants.ts";
import { round, settle, VERBS } from "./verbs.ts";
import type { World } from "./world.ts";
import { newWorld, removeTemplate } from "./world.ts";

/** Single faults at the moment at which they would cost a key. The second row is that of a caller's project. */
const WRAPPED = 0;
const WRAPPED_NEW = 1;
const CALLERS_ROW = 1;
const alice = "alice";
let world: World;
let book: Book;

beforeEach(async () => {
  world = await newWorld();
  book = new Book(world);
  await VERBS.project(world, book);
  await VERBS.key(world, book, 0);
  await VERBS.encrypt(world, book, 0);
});

afterEach(async () => {
  book.close();
  await world.dispose();
});

afterAll(removeTemplate);

const change = async () => {
  const [newest] = await allChanges(world);
  if (!newest) throw new Error("there is no change");
  return newest;
};
const input = async () => ({ change: (await change()).id, by: alice });
const goToReady = async (): Promise<void> => {
  await VERBS.create(world);
  await VERBS.newKeyEverywhere(world);
  await reencipherChange(world.ports, await input());
  await settle(world);
  expect((await change()).state).toBe("READY");
};
const activate = async (): Promise<void> => {
  await activateChange(world.ports, { ...(await input()), vp: (await change()).to ?? "", override: false });
  await settle(world);
};
const goToDone = async (): Promise<void> => {
  await goToReady();
  await activate();
  await finalizeChange(world.ports, await input());
  await settle(world);
  expect((await change()).state).toBe("DONE");
};
const checkAll = async (): Promise<void> => {
  await checkInvariants(world, book);
  for (const payload of book.payloads) await checkDecrypts(world, book, payload);
};

describe("a step that would cost a key is refused", () => {
  test("a change is not canceled once a unit shows the target in CURRENT, quarantined or not", async () => {
    await goToReady();
    const { to } = await change();
    const { registers } = world.console("01.0002" as UnitAddress);
    await registers.execute({ verb: "activate", type: DEFAULT_TYPE, vp: to ?? "" });
    expect(await refusal(cancelChange(world.ports, await input()))).toBe("change-state");
    await settle(world);
    expect((await change()).state).toBe("ACTIVATED");
    await checkAll();
  });

  const loseTarget = async (address: string): Promise<void> => {
    const { to } = await change();
    const { registers } = world.console(address as UnitAddress);
    await registers.execute({ verb: "clear", register: "NEW", type: DEFAULT_TYPE, vp: to ?? "" });
  };
  const UNITS = ["01.0001", "01.0002", "01.0003"];
  const beginToActivate = async (): Promise<void> => {
    await goToReady();
    await activateChange(world.ports, { ...(await input()), vp: (await change()).to ?? "", override: false });
    expect((await change()).state).toBe("ACTIVATING");
  };

  test("a change whose target every unit has lost before the first activated is canceled, and another one is done", async () => {
    await beginToActivate();
    for (const address of UNITS) await loseTarget(address);
    await settle(world);
    expect(await change()).toMatchObject({
      state: "ACTIVATING",
      blockedReason: expect.stringContaining("or cancel the change"),
    });
    await cancelChange(world.ports, await input());
    await createProject(world.ports, { name: "born while canceling" });
    await checkAll();
    await settle(world);
    expect((await change()).state).toBe("CANCELED");
    await checkAll();
    await goToDone();
    await checkAll();
  });

  test("a change is not canceled while a canary that was told to activate is silent, until it is removed", async () => {
    await beginToActivate();
    await round(world);
    const { canary, to } = await change();
    if (!canary) throw new Error("there is no canary");
    expect(world.ports.units.find(canary).readings?.[0]?.CURRENT.vp).toBe(to);
    for (const address of UNITS) if (address !== canary) await loseTarget(address);
    expect(await refusal(cancelChange(world.ports, await input()))).toBe("change-state");
    world.lost.add(canary);
    book.faulty = true;
    await quarantineUnit(world.ports, { address: canary, reason: "silent", by: alice });
    expect(await refusal(cancelChange(world.ports, await input()))).toBe("unit-unreachable");
    await removeUnit(world.ports, { address: canary, by: alice });
    await cancelChange(world.ports, await input());
    await settle(world);
    expect((await change()).state).toBe("CANCELED");
    await checkAll();
  });

  test("forms are not moved before every row has been opened on every unit that serves", async () => {
    await goToReady();
    await activateChange(world.ports, { ...(await input()), vp: (await change()).to ?? "", override: false });
    for (let done = 0; done < 40 && (await change()).state !== "ACTIVATED"; done++) await round(world);
    expect((await change()).state).toBe("ACTIVATED");
    expect(await refusal(finalizeChange(world.ports, await input()))).toBe("change-unverified");
    await settle(world);
    expect(await refusal(finalizeChange(world.ports, await input()))).toBe("no failure");
  });
});

describe("an override passes what was in the way when it was asked for, and nothing else", () => {
  const [second, third] = ["01.0002", "01.0003"] as UnitAddress[];
  const lose = (address: UnitAddress | undefined): void => {
    if (address) world.lost.add(address);
    book.faulty = true;
  };
  const standing = () => world.ports.units.all().map(({ record }) => record.state);
  const approve = async () => {
    const approval = { ...(await input()), by: "bob" };
    return request(world, book, undefined, () => approveChange(world.ports, approval));
  };
  const askInSpiteOfSecond = async (): Promise<void> => {
    await goToReady();
    lose(second);
    const vp = (await change()).to ?? "";
    const asked = { ...(await input()), vp, override: true };
    await request(world, book, undefined, () => activateChange(world.ports, asked)); // a handle may be on the lost unit
    expect((await change()).approval?.inSpiteOf).toEqual(["unit 01.0002 does not answer"]);
  };

  test("a unit that went away since is named, and not quarantined; when it is back, the approval is good", async () => {
    await askInSpiteOfSecond();
    lose(third);
    await expect(approve()).rejects.toThrow(/unit 01\.0003 does not answer \(not named when/);
    expect(standing()).toEqual(["serving", "serving", "serving"]);
    expect((await change()).state).toBe("READY");
    if (third) world.lost.delete(third);
    await approve();
    await settle(world);
    expect((await change()).state).toBe("ACTIVATED");
    expect(standing()).toEqual(["serving", "quarantined", "serving"]);
    await checkAll();
  });

  test("what has gone since is not acted on", async () => {
    await askInSpiteOfSecond();
    world.lost.clear();
    await approve();
    await settle(world);
    expect(standing()).toEqual(["serving", "serving", "serving"]);
    await checkAll();
  });

  test("its MAC covers what it names, and one of the first release, which names nothing, approves nothing", async () => {
    await askInSpiteOfSecond();
    const { id, state, approval } = await change();
    if (!approval) throw new Error("nothing was asked for");
    const set = (other: typeof approval) =>
      world.ports.store.amendChange({ id, state, amendment: { approval: other }, entry: undefined });
    await set({ ...approval, inSpiteOf: [...(approval.inSpiteOf ?? []), "unit 01.0003 does not answer"] });
    expect(await refusal(approve())).toBe("record-not-vouched");
    const { inSpiteOf: _, ...first } = approval;
    await set(first);
    expect(await refusal(approve())).toBe("record-not-vouched");
    await set(await world.ports.vouchedRows.vouchForApproval(id, first));
    expect(await refusal(approve())).toBe("change-not-ready");
    expect(standing()).toEqual(["serving", "serving", "serving"]);
  });
});

describe("a fault at the wrong moment loses no key", () => {
  test("a form that rots after DONE keeps its old form: purge opens every row anew before it deletes", async () => {
    await goToDone();
    book.poison(CALLERS_ROW, WRAPPED);
    await purgeChange(world.ports, await input());
    await approveChange(world.ports, { ...(await input()), by: "bob" });
    await settle(world);
    expect(await change()).toMatchObject({ state: "DONE", blockedReason: expect.stringContaining("1 KEKs") });
    expect(book.rows()[CALLERS_ROW]?.previous).toBe((await change()).from);
    await world.restart();
    await checkAll();
    book.heal();
    await settle(world);
    expect((await change()).state).toBe("PURGED");
    await checkAll();
  });

  test("a second form that rots before activation is made again on the canary, before other units follow", async () => {
    await goToReady();
    book.poison(CALLERS_ROW, WRAPPED_NEW);
    await activate();
    expect((await change()).state).toBe("ACTIVATED");
    book.poisons.splice(0);
    await checkAll();
  });

  test("a row that opens under neither key stops the change at the canary, and a restart tries it again", async () => {
    await goToReady();
    book.poison(CALLERS_ROW, WRAPPED_NEW);
    const [{ n, bad, good } = { n: 0, bad: undefined, good: undefined }] = book.poisons.splice(0);
    book.poison(CALLERS_ROW, WRAPPED);
    if (bad && good) book.poisons.push({ n, bad, good });
    await activate();
    expect(await change()).toMatchObject({
      state: "ACTIVATING",
      blockedReason: expect.stringContaining("1 KEKs"),
    });
    const to = (await change()).to;
    const activated = world.ports.units.all().filter(({ readings }) => readings?.[0]?.CURRENT.vp === to);
    expect(activated).toHaveLength(1);
    book.heal();
    await world.restart();
    await settle(world);
    expect((await change()).state).toBe("ACTIVATED");
    await checkAll();
  });

  test("what was open on a unit that is lost opens on another one at the retry", async () => {
    expect(book.payloads).toHaveLength(1);
    for (const { record } of world.ports.units.all()) {
      book.faulty = true;
      await checkAll();
      world.lost.clear();
      world.lost.add(record.address);
      await checkAll();
    }
  });

  test("a new KEK is wrapped where NEW is committed, when another unit has it uncommitted", async () => {
    await goToReady();
    const { to } = await change();
    const address = "01.0002" as UnitAddress;
    const { registers } = world.console(address);
    await registers.execute({ verb: "clear", register: "NEW", type: DEFAULT_TYPE, vp: to ?? "" });
    const request = { type: DEFAULT_TYPE, register: "NEW", vp: to ?? ("" as never), form: "1" } as const;
    const wrapped = await world.console("01.0001" as UnitAddress).registers.exportFor(address, request);
    await registers.importFrom("01.0001" as UnitAddress, request, wrapped);
    await world.ports.units.refreshGroup(DEFAULT_GROUP);
    for (let i = 0; i < 4; i++) await createProject(world.ports, { name: `project beside ${i}` });
    expect(
      book
        .rows()
        .slice(-4)
        .map(({ next }) => next),
    ).toEqual([to, to, to, to]);
    await checkAll();
  });
});
