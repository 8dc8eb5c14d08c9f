import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NewKekRecord } from "../../packages/server/src/core/hierarchy/records.ts";
import type {
  ChangeId,
  ImportTokenId,
  KekId,
  KeyId,
  PrincipalId,
  ProjectId,
  UnitAddress,
  Vp,
} from "../../packages/server/src/core/ids.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../../packages/server/src/core/ids.ts";
import type { Change } from "../../packages/server/src/core/master-key-change/change.ts";
import type { ChangeEvent } from "../../packages/server/src/core/master-key-change/transitions.ts";
import { advance } from "../../packages/server/src/core/master-key-change/transitions.ts";
import type {
  Claimed,
  ClaimRequest,
  RewrapRow,
  Store,
  UnitRecord,
} from "../../packages/server/src/core/ports/store.ts";
import { A, addressOf, B, C, changeIn } from "../model/arbitrary-facts.ts";
import { SCRATCH } from "../model/scratch.ts";
import { present, refusal } from "./crypto-unit-contract.ts";

/** A back end: how a store is opened on what `place` names, as often as one likes. */
export interface StoreBackEnd {
  readonly name: string;
  open(place: string): Store;
}

const SCOPE = { group: DEFAULT_GROUP, type: DEFAULT_TYPE };
const uuidOf = (kind: number, i: number): string =>
  `0000000${kind}-0000-4000-8000-${i.toString(16).padStart(12, "0")}`;
const changeId = (i: number): ChangeId => uuidOf(1, i) as ChangeId;
const blobOf = (vp: Vp, i: number): Uint8Array => Uint8Array.from([vp.charCodeAt(0), i >> 8, i & 255]);

/** Rules 1, 2, 3 and 6 of the master-key change, and what every store promises besides. */
export function storeContract(backEnd: StoreBackEnd): void {
  describe(`store: ${backEnd.name}`, () => {
    let folder: string;
    let place: string;
    let store: Store;

    beforeEach(async () => {
      folder = mkdtempSync(join(SCRATCH, "claviger-store-"));
      place = join(folder, "store.db");
      store = backEnd.open(place);
      await store.createFence({ ...SCOPE, currentVp: A, atMs: 1 });
    });

    afterEach(async () => {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    });

    const kek = (i: number, vps: readonly Vp[]): NewKekRecord => ({
      ...SCOPE,
      id: uuidOf(3, i) as KekId,
      projectId: uuidOf(2, i) as ProjectId,
      kcv: Uint8Array.from({ length: 16 }, () => i),
      wrapped: vps.map((vp) => ({ vp, blob: blobOf(vp, i) })),
    });
    const create = (i: number, vps: readonly Vp[], name = `project ${i}`) => {
      const made = kek(i, vps);
      const project = { id: made.projectId, name, kekId: made.id, createdAtMs: i };
      return store.createProject({ project, kek: made });
    };
    const createRows = async (count: number, first = 1): Promise<void> => {
      for (let i = first; i < first + count; i++) expect(await create(i, [A])).toBe("created");
    };
    const readKek = async (i: number) => present(await store.readKek({ kekId: uuidOf(3, i) as KekId }));
    const fence = async () => present(await store.readFence(SCOPE));
    const read = async (id = changeId(1)) => present(await store.readChange({ id }));

    const openOne = async (i = 1, over: Partial<Change> = {}): Promise<Change> => {
      const change = changeIn("PLANNED", { id: changeId(i), openedAtMs: i, ...over });
      expect(await store.openChange({ change, note: "opened" })).toBe("opened");
      return change;
    };
    /** What `transition` answers for an event of the change as it is now. */
    const move = async (event: ChangeEvent, id = changeId(1)) => {
      const change = await read(id);
      const { generation, ...rest } = await fence();
      const step = advance(change, { ...rest, generation }, event);
      const entry = { atMs: 9, state: step.state, by: "alice", note: event.name };
      return store.transition({ change, generation, advance: step, amendment: {}, entry });
    };
    const goTo = async (...events: ChangeEvent["name"][]): Promise<void> => {
      for (const name of events)
        expect(await move(name === "staged" ? { name, to: B } : { name }), name).toBe("done");
    };
    const order = async (id = changeId(1)) => ({ changeId: id, generation: (await fence()).generation });
    const claimAs = (
      owner: string,
      over: Partial<ClaimRequest> & { nowMs?: number; limit?: number } = {},
    ) => {
      const { nowMs = 1_000, limit = 2, which = { rows: "untried" } } = over;
      return { lease: { owner, nowMs, untilMs: nowMs + 500 }, limit, which } satisfies ClaimRequest;
    };
    const rowsOf = (claimed: Claimed): readonly RewrapRow[] => {
      if (claimed === "moved") throw new Error("moved");
      return claimed.rows;
    };
    const numbers = (claimed: Claimed): readonly number[] => rowsOf(claimed).map(({ n }) => n);
    const rewrapped = (rows: readonly RewrapRow[]) =>
      rows.map(({ n, rowVersion }) => ({ n, rowVersion, outcome: { blob: blobOf(B, n) } }));
    const refused = (rows: readonly RewrapRow[]) =>
      rows.map(({ n, rowVersion }) => ({ n, rowVersion, outcome: { refused: "mac-mismatch" as const } }));
    const reencipherAll = async (id = changeId(1)): Promise<void> => {
      const work = await order(id);
      const rows = rowsOf(await store.claimRows({ ...work, ...claimAs("all", { limit: 1000 }) }));
      await store.commitRows({ ...work, outcomes: rewrapped(rows), nowMs: 1, next: undefined });
    };

    describe("a KEK carries exactly what the fence demands, or is wrapped again (rule 1)", () => {
      test.each([
        ["nothing", []],
        ["another pattern", [B]],
        ["one too many", [A, B]],
        ["the same twice", [A, A]],
      ] as const)("before re-enciphering: %s is refused", async (_, vps) => {
        await openOne();
        await goTo("staged");
        expect(await create(1, vps)).toBe("fence-moved");
        expect(await store.findProject({ ref: "project 1" })).toBeUndefined();
        expect(await create(1, [A])).toBe("created");
      });

      test.each([
        ["the old one alone", [A]],
        ["the target alone", [B]],
        ["one of them and a stranger", [A, C]],
        ["both and a stranger", [A, B, C]],
      ] as const)("while re-enciphering: %s is refused", async (_, vps) => {
        await openOne();
        await goTo("staged", "reencipher");
        expect(await create(1, vps)).toBe("fence-moved");
        expect(await create(1, [B, A])).toBe("created");
        expect(await readKek(1)).toMatchObject({ wrapped: { vp: A }, wrappedNew: { vp: B } });
      });

      test("after activation, and after a cancel, the other pattern is refused", async () => {
        await openOne();
        await goTo("staged", "reencipher", "ready", "activate", "activated");
        expect([await create(1, [A]), await create(1, [A, B]), await create(1, [B])]).toEqual([
          "fence-moved",
          "fence-moved",
          "created",
        ]);
        expect(await readKek(1)).toMatchObject({ wrapped: { vp: B }, wrappedNew: undefined });
      });

      test("what was wrapped for a change that is being canceled is refused", async () => {
        await openOne();
        await goTo("staged", "reencipher", "cancel");
        expect([await create(1, [A, B]), await create(1, [A])]).toEqual(["fence-moved", "created"]);
      });
    });

    describe("a late worker writes nothing (rule 2)", () => {
      const claimTwo = async () => {
        await createRows(4);
        await openOne();
        await goTo("staged", "reencipher");
        const work = await order();
        return { work, rows: rowsOf(await store.claimRows({ ...work, ...claimAs("w") })) };
      };
      const bothForms = async (): Promise<readonly (Vp | undefined)[]> => {
        const forms = [];
        for (const i of [1, 2, 3, 4]) forms.push((await readKek(i)).wrappedNew?.vp);
        return forms;
      };

      test("of a canceled change", async () => {
        const { work, rows } = await claimTwo();
        await goTo("cancel");
        const next = claimAs("w");
        expect(await store.commitRows({ ...work, outcomes: rewrapped(rows), nowMs: 1, next })).toBe("moved");
        expect(await store.claimRows({ ...work, ...next })).toBe("moved");
        const late = { ...work, generation: (await fence()).generation };
        expect(await store.commitRows({ ...late, outcomes: rewrapped(rows), nowMs: 1, next })).toBe("moved");
        expect(await bothForms()).toEqual([undefined, undefined, undefined, undefined]);
      });

      test("of an older change, when another with the same target is open, though it names the new generation", async () => {
        const { work, rows } = await claimTwo();
        await goTo("cancel", "canceled");
        await openOne(2);
        expect(await move({ name: "staged", to: B }, changeId(2))).toBe("done");
        expect(await move({ name: "reencipher" }, changeId(2))).toBe("done");
        const outcomes = rewrapped(rows);
        for (const generation of [work.generation, (await fence()).generation]) {
          const late = { changeId: changeId(1), generation, outcomes, nowMs: 1, next: undefined };
          expect(await store.commitRows(late)).toBe("moved");
        }
        const older = {
          changeId: changeId(2),
          generation: work.generation,
          outcomes,
          nowMs: 1,
          next: undefined,
        };
        expect(await store.commitRows(older)).toBe("moved");
        expect(await bothForms()).toEqual([undefined, undefined, undefined, undefined]);
      });

      test("of an earlier generation of the same change", async () => {
        const { work, rows } = await claimTwo();
        await store.dropLeases({});
        await reencipherAll();
        await goTo("ready");
        const late = { ...work, outcomes: rewrapped(rows), nowMs: 1, next: undefined };
        expect(await store.commitRows(late)).toBe("moved");
      });

      test("over a row that another worker wrote meanwhile, but keeps what is still its own", async () => {
        const { work, rows } = await claimTwo();
        const [first] = rows;
        await store.commitRows({ ...work, outcomes: rewrapped([present(first)]), nowMs: 1, next: undefined });
        const outcomes = rows.map(({ n, rowVersion }) => ({
          n,
          rowVersion,
          outcome: { blob: blobOf(C, n) },
        }));
        const late = await store.commitRows({ ...work, outcomes, nowMs: 1, next: undefined });
        expect(late).toMatchObject({ written: 1 });
        expect((await readKek(1)).wrappedNew?.blob).toEqual(blobOf(B, 1));
        expect((await readKek(2)).wrappedNew?.blob).toEqual(blobOf(C, 2));
      });

      test("a failure of a row that was done meanwhile is not noted", async () => {
        const { work, rows } = await claimTwo();
        await store.commitRows({ ...work, outcomes: rewrapped(rows), nowMs: 1, next: undefined });
        await store.commitRows({ ...work, outcomes: refused(rows), nowMs: 2, next: undefined });
        expect(await store.listFailedRows({ changeId: changeId(1), limit: 9 })).toEqual([]);
      });

      test("forms are moved, dropped and purged only in the state, generation and change that say so", async () => {
        await createRows(2);
        await openOne();
        await goTo("staged", "reencipher");
        await reencipherAll();
        const batches = async (generation?: number) => {
          const work = { ...(await order()), ...(generation !== undefined && { generation }), limit: 9 };
          return [
            await store.finalizeRows(work),
            await store.dropNextForms(work),
            await store.dropOldForms(work),
          ];
        };
        const nothing = ["moved", "moved", "moved"];
        expect(await batches()).toEqual(nothing);
        await goTo("ready");
        expect(await batches()).toEqual(nothing);
        await goTo("activate", "activated");
        expect(await batches()).toEqual(nothing);
        await goTo("finalize");
        expect(await batches((await fence()).generation - 1)).toEqual(nothing);
        expect(await batches()).toEqual([2, "moved", "moved"]);
        await goTo("finalized");
        expect(await batches()).toEqual(nothing); // a purge that nobody has approved
        expect((await readKek(1)).wrappedOld?.vp).toBe(A);
      });
    });

    describe("workers take rows by predicate (rule 3)", () => {
      beforeEach(async () => {
        await createRows(6);
        await openOne();
        await goTo("staged", "reencipher");
      });

      test("two workers never hold the same row, and nothing is left out", async () => {
        const work = await order();
        const owners = ["a", "b", "c"];
        const held = new Map<string, readonly RewrapRow[]>();
        const seen: number[] = [];
        for (let turn = 0; turn < 12; turn++) {
          const owner = present(owners[turn % 3]);
          const mine = held.get(owner) ?? [];
          const next = claimAs(owner);
          const claimed = await store.commitRows({ ...work, outcomes: rewrapped(mine), nowMs: 1_000, next });
          const rows = rowsOf(claimed);
          const others = [...held].filter(([name]) => name !== owner).flatMap(([, theirs]) => theirs);
          for (const { n } of rows) expect(others.map((row) => row.n)).not.toContain(n);
          held.set(owner, rows);
          seen.push(...rows.map(({ n }) => n));
        }
        expect(seen.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6]);
        expect((await store.countProgress({ ...SCOPE, changeId: changeId(1), from: A, to: B })).lacking).toBe(
          0,
        );
      });

      test("the rows of a lease that has run out come back, those of one that holds do not", async () => {
        const work = await order();
        expect(numbers(await store.claimRows({ ...work, ...claimAs("dead", { limit: 3 }) }))).toEqual([
          1, 2, 3,
        ]);
        const soon = claimAs("other", { limit: 9, nowMs: 1_499 });
        expect(numbers(await store.claimRows({ ...work, ...soon }))).toEqual([4, 5, 6]);
        const later = claimAs("third", { limit: 9, nowMs: 9_999 });
        expect(numbers(await store.claimRows({ ...work, ...later }))).toEqual([1, 2, 3, 4, 5, 6]);
      });

      test("at a start all leases are dropped", async () => {
        const work = await order();
        await store.claimRows({ ...work, ...claimAs("dead", { limit: 9 }) });
        await store.dropLeases({});
        expect(numbers(await store.claimRows({ ...work, ...claimAs("new", { limit: 9 }) }))).toHaveLength(6);
      });

      test("failed rows come only when they are asked for, those with the fewest attempts first", async () => {
        const work = await order();
        const fail = async (ns: readonly number[], which: ClaimRequest["which"]): Promise<void> => {
          const rows = rowsOf(await store.claimRows({ ...work, ...claimAs("w", { limit: 9, which }) }));
          const mine = rows.filter(({ n }) => ns.includes(n));
          await store.commitRows({ ...work, outcomes: refused(mine), nowMs: 50, next: undefined });
        };
        await fail([1, 2, 3], { rows: "untried" });
        await fail([1], { rows: "failed", failedBeforeMs: 60 });
        await fail([1, 2], { rows: "failed", failedBeforeMs: 60 });
        await store.dropLeases({});
        const untried = await store.claimRows({ ...work, ...claimAs("v", { limit: 9 }) });
        expect(numbers(untried)).toEqual([4, 5, 6]);
        const failed = { rows: "failed", failedBeforeMs: 60 } as const;
        const again = await store.claimRows({ ...work, ...claimAs("x", { limit: 9, which: failed }) });
        expect(numbers(again)).toEqual([3, 2, 1]);
        const early = { rows: "failed", failedBeforeMs: 49 } as const;
        expect(numbers(await store.claimRows({ ...work, ...claimAs("x", { which: early }) }))).toEqual([]);
        const listed = await store.listFailedRows({ changeId: changeId(1), limit: 9 });
        expect(listed.map(({ attempt, reason }) => [attempt, reason])).toEqual([
          [3, "mac-mismatch"],
          [2, "mac-mismatch"],
          [1, "mac-mismatch"],
        ]);
      });

      test("a row that is done is no longer a failed one, and one that failed in an earlier change is untried", async () => {
        const work = await order();
        const rows = rowsOf(await store.claimRows({ ...work, ...claimAs("w", { limit: 6 }) }));
        const next = claimAs("w", { which: { rows: "failed", failedBeforeMs: 99 } });
        const failed = rowsOf(await store.commitRows({ ...work, outcomes: refused(rows), nowMs: 5, next }));
        await store.commitRows({ ...work, outcomes: rewrapped(failed), nowMs: 6, next: undefined });
        expect(await store.listFailedRows({ changeId: changeId(1), limit: 9 })).toHaveLength(4);
        await goTo("cancel");
        await store.dropNextForms({ ...(await order()), limit: 99 });
        await goTo("canceled");
        await openOne(2);
        await move({ name: "staged", to: B }, changeId(2));
        await move({ name: "reencipher" }, changeId(2));
        const anew = { ...(await order(changeId(2))), ...claimAs("n", { limit: 9 }) };
        expect(numbers(await store.claimRows(anew))).toHaveLength(6);
      });

      test("a form left from elsewhere does not count as one under the target", async () => {
        const work = await order();
        const rows = rowsOf(await store.claimRows({ ...work, ...claimAs("w", { limit: 6 }) }));
        await store.commitRows({ ...work, outcomes: rewrapped(rows.slice(0, 5)), nowMs: 5, next: undefined });
        expect(numbers(await store.claimRows({ ...work, ...claimAs("w", { limit: 9 }) }))).toEqual([6]);
      });
    });

    describe("changes of state", () => {
      test("a second change is refused with the other one, also while that is being purged", async () => {
        await createRows(1);
        const change = await openOne();
        const second = changeIn("PLANNED", { id: changeId(2) });
        expect(await store.openChange({ change: second, note: "" })).toMatchObject({
          open: { id: change.id },
        });
        await goTo("staged", "reencipher");
        await reencipherAll();
        await goTo("ready", "activate", "activated", "finalize");
        await store.finalizeRows({ ...(await order()), limit: 9 });
        await goTo("finalized");
        expect(await store.openChange({ change: second, note: "" })).toBe("current-differs");
        const third = { ...second, from: B, restores: change.id };
        const approval = { action: "purge" as const, requestedBy: "a", requestedAtMs: 1, mac: "00" };
        const amend = (approvedBy: string | undefined) =>
          store.amendChange({
            id: change.id,
            state: "DONE",
            amendment: { approval: { ...approval, approvedBy } },
            entry: undefined,
          });
        await amend("bob");
        expect(await store.openChange({ change: third, note: "" })).toMatchObject({
          open: { id: change.id },
        });
        await amend(undefined);
        expect(await store.openChange({ change: third, note: "" })).toBe("opened");
        expect(await amend("bob"), "a purge of what is being restored").toBe("moved");
      });

      test("a transition of a change that has moved does nothing", async () => {
        await openOne();
        const planned = await read();
        const before = await fence();
        const step = advance(planned, before, { name: "staged", to: B });
        const entry = { atMs: 9, state: step.state, by: "alice", note: "" };
        const input = { change: planned, generation: before.generation, advance: step, amendment: {}, entry };
        expect(await store.transition({ ...input, generation: before.generation - 1 })).toBe("moved");
        expect(await store.transition(input)).toBe("done");
        expect(await store.transition(input)).toBe("moved");
        expect(await store.transition({ ...input, generation: before.generation + 1 })).toBe("moved");
        expect((await fence()).generation).toBe(before.generation + 1);
        expect(await store.readHistory({ id: planned.id })).toHaveLength(2);
      });

      test("of two transitions at the same time one is done", async () => {
        await openOne();
        await goTo("staged");
        const both = await Promise.all([move({ name: "reencipher" }), move({ name: "cancel" })]);
        expect(new Set(both)).toEqual(new Set(["done", "moved"]));
      });

      test.each(["ready", "activate", "activated"] as const)(
        "%s counts rows without a form under the target, in its own transaction",
        async (name) => {
          await createRows(3);
          await openOne();
          await goTo("staged", "reencipher");
          await reencipherAll();
          const way = (["ready", "activate", "activated"] as const).slice(0);
          await goTo(...way.slice(0, way.indexOf(name)));
          damage(place, "UPDATE keks SET wrapped_new = NULL, mk_new = NULL WHERE n <= 2");
          const { generation } = await fence();
          expect(await move({ name })).toEqual({ left: 2 });
          expect((await fence()).generation).toBe(generation);
          expect((await store.readHistory({ id: changeId(1) })).at(-1)?.note).not.toBe(name);
        },
      );

      test("finalized, canceled and purged count what they must leave none of", async () => {
        await createRows(3);
        await openOne();
        await goTo("staged", "reencipher");
        await reencipherAll();
        await goTo("cancel");
        expect(await move({ name: "canceled" })).toEqual({ left: 3 });
        expect(await store.dropNextForms({ ...(await order()), limit: 2 })).toBe(2);
        expect(await store.dropNextForms({ ...(await order()), limit: 2 })).toBe(1);
        await goTo("canceled");
        await openOne(2);
        const go = async (...events: ChangeEvent["name"][]): Promise<void> => {
          for (const name of events)
            expect(await move(name === "staged" ? { name, to: B } : { name }, changeId(2))).toBe("done");
        };
        await go("staged", "reencipher");
        await reencipherAll(changeId(2));
        await go("ready", "activate", "activated", "finalize");
        expect(await move({ name: "finalized" }, changeId(2))).toEqual({ left: 3 });
        expect(await store.finalizeRows({ ...(await order(changeId(2))), limit: 2 })).toBe(2);
        expect(await move({ name: "finalized" }, changeId(2))).toEqual({ left: 1 });
        expect(await store.finalizeRows({ ...(await order(changeId(2))), limit: 2 })).toBe(1);
        await go("finalized");
        expect(await move({ name: "purged" }, changeId(2))).toEqual({ left: 3 });
        const approved = {
          action: "purge" as const,
          requestedBy: "a",
          requestedAtMs: 1,
          approvedBy: "b",
          mac: "",
        };
        const amendment = { approval: approved };
        await store.amendChange({ id: changeId(2), state: "DONE", amendment, entry: undefined });
        expect(await store.dropOldForms({ ...(await order(changeId(2))), limit: 9 })).toBe(3);
        await go("purged");
        expect(await readKek(1)).toMatchObject({ wrapped: { vp: B }, wrappedOld: undefined });
      });

      test("an amendment of a change that has moved on is refused, and sets only what it names", async () => {
        await openOne(1, { freeze: "mutations", rowsPerSecond: 7 });
        const entry = { atMs: 3, state: "PLANNED" as const, by: "bob", note: "said" };
        const amend = { id: changeId(1), amendment: { paused: true, blockedReason: "why" }, entry };
        expect(await store.amendChange({ ...amend, state: "STAGED" })).toBe("moved");
        expect(await store.amendChange({ ...amend, state: "PLANNED" })).toBe("done");
        const clear = { blockedReason: undefined };
        await store.amendChange({ id: changeId(1), state: "PLANNED", amendment: clear, entry: undefined });
        expect(await read()).toMatchObject({ paused: true, freeze: "mutations", rowsPerSecond: 7 });
        expect((await read()).blockedReason).toBeUndefined();
        expect((await store.readHistory({ id: changeId(1) })).map(({ note }) => note)).toEqual([
          "opened",
          "said",
        ]);
      });

      test("a fence is created once", async () => {
        expect(await store.createFence({ ...SCOPE, currentVp: B, atMs: 2 })).toBe("exists");
        expect(await fence()).toMatchObject({ currentVp: A, mustWrap: [A], generation: 1 });
      });
    });

    describe("the census", () => {
      test("sums every form of every row, at every point of a change", async () => {
        await createRows(5);
        await openOne();
        await goTo("staged", "reencipher");
        const work = await order();
        const rows = rowsOf(await store.claimRows({ ...work, ...claimAs("w", { limit: 3 }) }));
        await store.commitRows({ ...work, outcomes: rewrapped(rows), nowMs: 1, next: undefined });
        const line = (vp: Vp, current: number, next: number, previous: number) => ({
          vp,
          current,
          next,
          previous,
        });
        expect(await store.census(SCOPE)).toEqual([line(A, 5, 0, 0), line(B, 0, 3, 0)]);
        const progress = { ...SCOPE, changeId: changeId(1), from: A, to: B };
        expect(await store.countProgress(progress)).toEqual({
          keks: 5,
          lacking: 2,
          failed: 0,
          underFrom: 5,
          withTargetAsNext: 3,
          keepingFrom: 0,
        });
        await store.dropLeases({});
        await reencipherAll();
        await goTo("ready", "activate", "activated", "finalize");
        await store.finalizeRows({ ...(await order()), limit: 4 });
        expect(await store.census(SCOPE)).toEqual([line(A, 1, 0, 4), line(B, 4, 1, 0)]);
        const counted = await store.countProgress(progress);
        expect(counted).toMatchObject({ lacking: 0, underFrom: 1, withTargetAsNext: 1, keepingFrom: 4 });
      });

      test("remembers every pattern there ever was", async () => {
        await openOne();
        await goTo("staged", "cancel", "canceled");
        expect((await store.listPatterns(SCOPE)).map(({ vp }) => vp)).toEqual([A, B]);
      });

      test("a sample is spread over all rows", async () => {
        await createRows(30);
        const sample = await store.sampleRows({ ...SCOPE, limit: 10 });
        expect(sample.length).toBeGreaterThan(5);
        expect(Math.max(...sample.map(({ n }) => n))).toBeGreaterThan(20);
        expect(sample.every(({ vp }) => vp === A)).toBe(true);
      });
    });

    describe("sweeps", () => {
      test("give rows in order with their form under the pattern, and name those that have none", async () => {
        await createRows(5);
        await openOne();
        await goTo("staged", "reencipher");
        const work = await order();
        const rows = rowsOf(await store.claimRows({ ...work, ...claimAs("w", { limit: 3 }) }));
        await store.commitRows({ ...work, outcomes: rewrapped(rows), nowMs: 1, next: undefined });
        const ask = { ...SCOPE, vp: B, after: 1, only: undefined, limit: 3 };
        const found = await store.readSweepRows(ask);
        expect(found.rows.map(({ n, blob }) => [n, [...blob]])).toEqual(
          [2, 3].map((n) => [n, [...blobOf(B, n)]]),
        );
        expect([found.lacking, found.last]).toEqual([[4], 4]);
        const only = await store.readSweepRows({ ...ask, after: 0, only: [5, 1], limit: 9 });
        expect([only.rows.map(({ n }) => n), only.lacking]).toEqual([[1], [5]]);
        expect(await store.readSweepRows({ ...ask, after: 5 })).toEqual({ rows: [], lacking: [], last: 5 });
        expect((await store.readSweepRows({ ...ask, vp: A, after: 0 })).rows).toHaveLength(3);
      });

      test("are kept, replaced, and forgotten with their unit", async () => {
        await addUnits(2);
        const sweep = { unit: addressOf(1), cursor: 3, opened: 2, refused: [2], complete: false };
        await store.writeSweep({ changeId: changeId(1), sweep });
        await store.writeSweep({ changeId: changeId(1), sweep: { ...sweep, cursor: 9, refused: [] } });
        await store.writeSweep({ changeId: changeId(1), sweep: { ...sweep, unit: addressOf(2) } });
        expect(await store.readSweeps({ changeId: changeId(1) })).toMatchObject([
          { cursor: 9 },
          { cursor: 3 },
        ]);
        expect(await store.readSweeps({ changeId: changeId(2) })).toEqual([]);
        await store.removeUnit({ address: addressOf(1) });
        expect(await store.readSweeps({ changeId: changeId(1) })).toMatchObject([{ unit: addressOf(2) }]);
      });
    });

    const unit = (i: number, over: Partial<UnitRecord> = {}): UnitRecord => ({
      address: addressOf(i),
      group: DEFAULT_GROUP,
      adapter: "software",
      state: "serving",
      reason: undefined,
      stateBy: "alice",
      publicKey: Uint8Array.of(i),
      addedAtMs: i,
      ...over,
    });
    const addUnits = async (count: number): Promise<void> => {
      for (let i = 1; i <= count; i++) expect(await store.addUnit({ unit: unit(i) })).toBe("added");
    };

    describe("units", () => {
      test("an address is taken once", async () => {
        await addUnits(1);
        expect(await store.addUnit({ unit: unit(1, { group: DEFAULT_GROUP }) })).toBe("address-taken");
        expect(await store.listUnits({})).toEqual([unit(1)]);
      });

      test("the last unit of a group that serves is neither taken out nor removed, whoever does it when", async () => {
        await addUnits(2);
        const take = (i: number) => {
          const decision = { state: "quarantined", reason: "", by: "bob" } as const;
          return store.setUnitState({ address: addressOf(i), from: ["serving"], ...decision });
        };
        const both = await Promise.all([take(1), take(2)]);
        expect(both.toSorted()).toEqual(["done", "last-serving"]);
        const [left] = (await store.listUnits({})).filter(({ state }) => state === "serving");
        const address: UnitAddress = present(left).address;
        expect(await store.removeUnit({ address })).toBe("last-serving");
        expect(await take(1)).not.toBe("done");
      });

      test("a unit's state changes only from where it is", async () => {
        await addUnits(2);
        const readmit = {
          address: addressOf(1),
          from: ["quarantined"],
          state: "serving",
          by: "bob",
        } as const;
        expect(await store.setUnitState({ ...readmit, reason: undefined })).toBe("state-differs");
        const gone = { ...readmit, address: addressOf(9), reason: undefined };
        expect(await store.setUnitState(gone)).toBe("state-differs");
      });
    });

    describe("names and pages", () => {
      test("a project's name and id are unique, and a refused one leaves nothing", async () => {
        await create(1, [A], "one");
        expect(await create(2, [A], "one")).toBe("name-taken");
        expect(await create(1, [A], "two")).toBe("name-taken");
        expect(await store.readKek({ kekId: uuidOf(3, 2) as KekId })).toBeUndefined();
        expect((await store.findProject({ ref: uuidOf(2, 1) }))?.name).toBe("one");
        expect((await store.census(SCOPE))[0]?.current).toBe(1);
      });

      const key = (i: number, name: string, project = 1) => ({
        id: uuidOf(4, i) as KeyId,
        projectId: uuidOf(2, project) as ProjectId,
        name,
        spec: "AES_256" as const,
        usage: "ENCRYPT_DECRYPT" as const,
        origin: "generated" as const,
        state: "enabled" as const,
        currentVersion: 1,
        createdAtMs: 1,
        deletionDueMs: undefined,
        destroyedAtMs: undefined,
        revision: 1,
        mac: Uint8Array.of(1),
      });
      const version = (i: number, number = 1, project = 1) => ({
        keyId: uuidOf(4, i) as KeyId,
        projectId: uuidOf(2, project) as ProjectId,
        version: number,
        kekId: uuidOf(3, project) as KekId,
        wrapped: Uint8Array.of(i),
        publicKey: undefined,
        createdAtMs: 1,
        mac: Uint8Array.of(2),
      });

      const importToken = (i: number, id: number, expiresAtMs = 9) => ({
        id: uuidOf(6, id) as ImportTokenId,
        keyId: uuidOf(4, i) as KeyId,
        projectId: uuidOf(2, 1) as ProjectId,
        kekId: uuidOf(3, 1) as KekId,
        publicKey: Uint8Array.of(1, id),
        wrapped: Uint8Array.of(2, id),
        expiresAtMs,
        mac: Uint8Array.of(3, id),
      });

      test("a key's name is unique within its project", async () => {
        await createRows(2);
        expect(await store.createKey({ key: key(1, "k"), version: version(1) })).toBe("created");
        expect(await store.createKey({ key: key(2, "k"), version: version(2) })).toBe("name-taken");
        expect(await store.readKeyVersion({ keyId: uuidOf(4, 2) as KeyId, version: 1 })).toBeUndefined();
        expect(await store.createKey({ key: key(2, "k", 2), version: version(2, 1, 2) })).toBe("created");
        expect((await store.findKey({ projectId: uuidOf(2, 2) as ProjectId, ref: "k" }))?.id).toBe(
          uuidOf(4, 2),
        );
      });

      test("of two updates of one revision one is done", async () => {
        await createRows(1);
        await store.createKey({ key: key(1, "k"), version: version(1) });
        const update = (number: number) =>
          store.updateKey({
            key: { ...key(1, "k"), currentVersion: 2, revision: 2, mac: Uint8Array.of(number) },
            version: version(1, 2),
          });
        expect((await Promise.all([update(1), update(2)])).toSorted()).toEqual([
          "changed-meanwhile",
          "updated",
        ]);
      });

      test("a change with freeze=mutations refuses new keys and versions while it re-enciphers", async () => {
        await createRows(1);
        await store.createKey({ key: key(1, "k"), version: version(1) });
        await openOne(1, { freeze: "mutations" });
        await goTo("staged", "reencipher");
        expect(await store.createKey({ key: key(2, "l"), version: version(2) })).toBe("frozen");
        await store.putImportToken({ token: importToken(1, 1) });
        const tokenId = uuidOf(6, 1) as ImportTokenId;
        const second = { ...key(1, "k"), currentVersion: 2, revision: 2 };
        expect(await store.importKeyVersion({ key: second, version: version(1, 2), tokenId })).toBe("frozen");
        const next = { ...key(1, "k"), currentVersion: 2, revision: 2 };
        expect(await store.updateKey({ key: next, version: version(1, 2) })).toBe("frozen");
        expect(await store.updateKey({ key: { ...next, currentVersion: 1 }, version: undefined })).toBe(
          "updated",
        );
      });

      const waiting = (i: number, name: string, deletionDueMs: number) => ({
        ...key(i, name),
        state: "pending-deletion" as const,
        deletionDueMs,
        revision: 2,
      });
      const gone = (i: number, name: string, revision: number) => ({
        ...key(i, name),
        state: "destroyed" as const,
        deletionDueMs: 5,
        destroyedAtMs: 6,
        revision,
      });

      test("keys are due whose deletion is pending and whose time has come, the longest due first", async () => {
        await createRows(1);
        for (const [i, due] of [30, 10, 20].entries()) {
          const name = `k${i}`;
          await store.createKey({ key: key(i, name), version: version(i) });
          await store.updateKey({ key: waiting(i, name, due), version: undefined });
        }
        await store.createKey({ key: key(9, "k9"), version: version(9) });
        const due = async (nowMs: number, limit = 9) =>
          (await store.listKeysDue({ nowMs, limit })).map(({ name }) => name);
        expect(await due(9)).toEqual([]);
        expect(await due(20)).toEqual(["k1", "k2"]);
        expect(await due(99, 2)).toEqual(["k1", "k2"]);
        await store.updateKey({
          key: { ...key(1, "k1"), state: "disabled", revision: 3 },
          version: undefined,
        });
        expect(await due(99)).toEqual(["k2", "k0"]);
        expect((await store.listKeysDue({ nowMs: 20, limit: 1 }))[0]).toEqual(waiting(2, "k2", 20));
      });

      test("a key is destroyed with the material of all its versions, if nobody changed it meanwhile", async () => {
        await createRows(1);
        await store.createKey({ key: key(1, "k"), version: version(1) });
        await store.updateKey({ key: { ...waiting(1, "k", 5), currentVersion: 2 }, version: version(1, 2) });
        await store.createKey({ key: key(2, "l"), version: version(2) });
        const emptied = (number: number) => ({
          ...version(1, number),
          wrapped: new Uint8Array(0),
          mac: Uint8Array.of(9),
        });
        const destroy = (revision: number) =>
          store.destroyKey({ key: { ...gone(1, "k", revision), currentVersion: 2 }, versions: [emptied(2)] });
        expect(await destroy(2)).toBe("changed-meanwhile");
        const keyId = uuidOf(4, 1) as KeyId;
        expect((await store.listKeyVersions({ keyId })).map(({ wrapped }) => [...wrapped])).toEqual([
          [1],
          [1],
        ]);
        expect(await destroy(3)).toBe("destroyed");
        expect(await store.listKeyVersions({ keyId })).toEqual([
          { ...version(1, 1), wrapped: new Uint8Array(0) },
          emptied(2),
        ]);
        expect(await store.readKeyVersion({ keyId: uuidOf(4, 2) as KeyId, version: 1 })).toEqual(version(2));
        const projectId = uuidOf(2, 1) as ProjectId;
        expect(await store.findKey({ projectId, ref: keyId })).toEqual({
          ...gone(1, "k", 3),
          currentVersion: 2,
        });
        expect(await destroy(3)).toBe("changed-meanwhile");
      });

      test("a key has one import token, which the version that it brings uses up", async () => {
        await createRows(1);
        const pending = {
          ...key(1, "k"),
          origin: "imported" as const,
          state: "pending-import" as const,
          currentVersion: 0,
        };
        expect(await store.createKey({ key: pending, version: undefined })).toBe("created");
        const keyId = uuidOf(4, 1) as KeyId;
        expect(await store.findKey({ projectId: uuidOf(2, 1) as ProjectId, ref: "k" })).toEqual(pending);
        expect(await store.findImportToken({ keyId })).toBeUndefined();
        for (const id of [1, 2]) await store.putImportToken({ token: importToken(1, id) });
        expect(await store.findImportToken({ keyId })).toEqual(importToken(1, 2));
        const bring = (id: number, revision: number) =>
          store.importKeyVersion({
            key: { ...pending, state: "enabled", currentVersion: 1, revision },
            version: version(1),
            tokenId: uuidOf(6, id) as ImportTokenId,
          });
        expect(await bring(1, 2)).toBe("token-gone");
        expect(await bring(2, 3)).toBe("changed-meanwhile");
        expect(await store.listKeyVersions({ keyId })).toEqual([]);
        expect((await Promise.all([bring(2, 2), bring(2, 2)])).toSorted()).toEqual(["token-gone", "updated"]);
        expect(await store.listKeyVersions({ keyId })).toEqual([version(1)]);
      });

      test("import tokens go when they expire, and with their key", async () => {
        await createRows(1);
        for (const i of [1, 2, 3]) {
          await store.createKey({ key: key(i, `k${i}`), version: version(i) });
          await store.putImportToken({ token: importToken(i, i, 10 * i) });
        }
        expect(await store.dropExpiredImportTokens({ nowMs: 9 })).toBe(0);
        expect(await store.dropExpiredImportTokens({ nowMs: 10 })).toBe(1);
        await store.destroyKey({ key: gone(2, "k2", 2), versions: [] });
        const left = [1, 2, 3].map((i) => store.findImportToken({ keyId: uuidOf(4, i) as KeyId }));
        expect((await Promise.all(left)).map((token) => token?.id)).toEqual([
          undefined,
          undefined,
          uuidOf(6, 3),
        ]);
      });

      test("the name of a destroyed key is free, once more and again", async () => {
        await createRows(1);
        const projectId = uuidOf(2, 1) as ProjectId;
        for (const i of [1, 2, 3]) {
          expect(await store.createKey({ key: key(i, "k"), version: version(i) })).toBe("created");
          expect(await store.createKey({ key: key(9, "k"), version: version(9) })).toBe("name-taken");
          expect((await store.findKey({ projectId, ref: "k" }))?.id).toBe(uuidOf(4, i));
          if (i < 3) await store.destroyKey({ key: gone(i, "k", 2), versions: [] });
        }
        const list = async (destroyed: boolean) =>
          (await store.listKeys({ projectId, limit: 9, after: undefined, destroyed })).items.map(
            ({ id, state }) => [id, state],
          );
        expect(await list(false)).toEqual([[uuidOf(4, 3), "enabled"]]);
        expect(await list(true)).toEqual([
          [uuidOf(4, 1), "destroyed"],
          [uuidOf(4, 2), "destroyed"],
          [uuidOf(4, 3), "enabled"],
        ]);
      });

      test("a principal's name and token are unique", async () => {
        const principal = (i: number, name: string, token: number) => ({
          id: uuidOf(5, i) as PrincipalId,
          name,
          roles: [],
          tokenHash: Uint8Array.of(token),
          createdAtMs: 1,
          mac: Uint8Array.of(3),
        });
        expect(await store.createPrincipal({ principal: principal(1, "ann", 1) })).toBe("created");
        expect(await store.createPrincipal({ principal: principal(2, "ann", 2) })).toBe("name-taken");
        const found = await store.findPrincipalByTokenHash({ tokenHash: Uint8Array.of(1) });
        expect(found?.name).toBe("ann");
        expect(await store.findPrincipalByTokenHash({ tokenHash: Uint8Array.of(2) })).toBeUndefined();
      });

      test("pages follow one another without a gap, whatever is created meanwhile", async () => {
        await createRows(5);
        const seen: string[] = [];
        let after: string | undefined;
        do {
          const page = await store.listProjects({ limit: 2, after });
          seen.push(...page.items.map(({ name }) => name));
          after = page.next;
          if (seen.length === 2) await createRows(1, 6);
        } while (after !== undefined);
        expect(seen).toEqual([1, 2, 3, 4, 5, 6].map((i) => `project ${i}`));
        expect(await refusal(store.listProjects({ limit: 2, after: "x" }))).toBe("invalid-request");
      });

      test("changes are listed newest first, those that hold the fence by themselves", async () => {
        for (const i of [1, 2, 3]) {
          await openOne(i);
          if (i < 3) await move({ name: "cancel" }, changeId(i));
        }
        const first = await store.listChanges({ limit: 2, after: undefined, openOnly: false });
        expect(first.items.map(({ id }) => id)).toEqual([changeId(3), changeId(2)]);
        const rest = await store.listChanges({ limit: 2, after: first.next, openOnly: false });
        expect([rest.items.map(({ id }) => id), rest.next]).toEqual([[changeId(1)], undefined]);
        const open = await store.listChanges({ limit: 9, after: undefined, openOnly: true });
        expect(open.items.map(({ id }) => id)).toEqual([changeId(3)]);
      });
    });

    describe("the place where it is kept", () => {
      test("holds everything when it is opened again, and migrations are done once", async () => {
        await createRows(2);
        await openOne();
        await store.close();
        store = backEnd.open(place);
        expect(await store.census(SCOPE)).toMatchObject([{ current: 2 }]);
        expect((await read()).state).toBe("PLANNED");
      });

      test("of a newer release is refused, and left as it is", async () => {
        await createRows(1);
        await store.close();
        damage(place, "INSERT INTO schema_migrations (id, name) VALUES (9999, 'of the future')");
        expect(await refusal(opened(() => backEnd.open(place)))).toBe("store-newer");
        damage(place, "DELETE FROM schema_migrations WHERE id = 9999");
        store = backEnd.open(place);
        expect(await store.census(SCOPE)).toMatchObject([{ current: 1 }]);
      });

      test("that is no database is refused, and left as it is", async () => {
        const other = join(folder, "letter.txt");
        writeFileSync(other, "Dear Claviger, ".repeat(100));
        expect(await refusal(opened(() => backEnd.open(other)))).toBe("store-damaged");
      });
    });
  });
}

/** A failure of `open` as a rejection. */
async function opened(open: () => Store): Promise<void> {
  await open().close();
}

/** What the store itself would never write. */
function damage(place: string, sql: string): void {
  const db = new DatabaseSync(place, { timeout: 5_000 });
  db.exec(sql);
  db.close();
}
