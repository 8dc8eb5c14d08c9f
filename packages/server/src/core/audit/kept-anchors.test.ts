import { expect, test } from "vitest";
import type { UnitAddress } from "../ids.ts";
import type { AnchoredHead, Anchors, StoreMoment } from "../unit/anchors.ts";
import { ANCHORED_CHAINS, laterMoment, olderThan, withHeads } from "../unit/anchors.ts";
import { describeOlder, joinAnchors } from "./kept-anchors.ts";

const [ONE, TWO] = ["01.0001", "01.0002"] as UnitAddress[] as [UnitAddress, UnitAddress];
const moment = (epoch: number, mutations: number, wk = 1): StoreMoment => ({
  epoch,
  mutations,
  generations: { "default WK": wk },
});
const head = (chain: string, seq: number, hash = `${chain}${seq}`): AnchoredHead => ({ chain, seq, hash });
const anchors = (store: StoreMoment, ...heads: AnchoredHead[]): Anchors => ({ store, heads });

test("a database is older by its epoch, its count of changes or a fence, in this order", () => {
  expect(olderThan(moment(0, 5), moment(0, 5))).toBeUndefined();
  expect(olderThan(moment(0, 6, 2), moment(0, 5))).toBeUndefined();
  expect(olderThan(moment(1, 0), moment(0, 5, 9))).toBeUndefined();
  expect(olderThan(moment(0, 9), moment(1, 5))).toContain("0 accepted rollbacks, not of 1 accepted rollback");
  expect(olderThan(moment(0, 4), moment(0, 5))).toContain("4 of 5 recorded changes");
  expect(olderThan(moment(0, 5, 1), moment(0, 5, 2))).toContain("generation 1, not 2");
  expect(olderThan({ ...moment(0, 5), generations: {} }, moment(0, 5))).toContain("generation 0, not 1");
});

test("the later of two moments has the larger of each number, within its epoch", () => {
  expect(laterMoment(moment(0, 5, 1), moment(0, 4, 3))).toEqual(moment(0, 5, 3));
  expect(laterMoment(moment(0, 9, 9), moment(1, 2, 1))).toEqual(moment(1, 2, 1));
});

test("of a chain the highest head stays, and of chains the last ones", () => {
  const kept = withHeads([head("a", 3), head("b", 9)], [head("a", 4), head("b", 8)]);
  expect(kept).toEqual([head("b", 9), head("a", 4)]);
  const many = Array.from({ length: ANCHORED_CHAINS + 3 }, (_none, i) => head(`c${i}`, 1));
  expect(withHeads(kept, many)).toEqual(many.slice(3));
});

test("what several units have kept is joined, and the one that has missed something is named", () => {
  const kept = [
    { unit: ONE, anchors: anchors(moment(0, 5), head("a", 3)) },
    { unit: TWO, anchors: anchors(moment(0, 4, 2), head("a", 2)) },
  ];
  const joined = joinAnchors(kept);
  expect(joined.newest).toEqual(anchors(moment(0, 5, 2), head("a", 3)));
  expect(joined.heads).toEqual([
    { ...head("a", 3), unit: ONE },
    { ...head("a", 2), unit: TWO },
  ]);
  expect(joined.behind).toEqual([ONE, TWO]);
  expect(joinAnchors([...kept.slice(0, 1), { unit: TWO, anchors: undefined }]).behind).toEqual([TWO]);
  expect(joinAnchors([{ unit: ONE, anchors: undefined }])).toEqual({
    newest: undefined,
    heads: [],
    behind: [],
  });
});

test("an older database is told with every unit that has seen a later one", () => {
  const kept = [
    { unit: ONE, anchors: anchors(moment(0, 5)) },
    { unit: TWO, anchors: anchors(moment(0, 4, 2)) },
  ];
  expect(describeOlder(moment(0, 5, 2), kept)).toBeUndefined();
  expect(describeOlder(moment(0, 4, 2), kept)).toMatch(
    /^older than crypto unit 01.0001 has seen it: it has 4 of 5/,
  );
  expect(describeOlder(moment(0, 5, 1), kept)).toContain("crypto unit 01.0002 has");
  expect(describeOlder(moment(0, 3, 1), kept)).toContain("crypto unit 01.0001, 01.0002 has");
  expect(describeOlder(moment(0, 0), [{ unit: ONE, anchors: undefined }])).toBeUndefined();
});

test("two heads at one place are both claimed: the log cannot have both", () => {
  const joined = joinAnchors([
    { unit: ONE, anchors: anchors(moment(0, 5), head("a", 3, "x")) },
    { unit: TWO, anchors: anchors(moment(0, 5), head("a", 3, "y")) },
  ]);
  expect(joined.heads.map(({ hash }) => hash)).toEqual(["x", "y"]);
});

test("a unit that missed an accepted rollback claims nothing", () => {
  const joined = joinAnchors([
    { unit: ONE, anchors: anchors(moment(0, 99, 9), head("lost", 50)) },
    { unit: TWO, anchors: anchors(moment(1, 5), head("a", 3)) },
  ]);
  expect(joined.newest).toEqual(anchors(moment(1, 5), head("a", 3)));
  expect(joined.heads).toEqual([{ ...head("a", 3), unit: TWO }]);
  expect(joined.behind).toEqual([ONE]);
});
