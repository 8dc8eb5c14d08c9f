import { expect, test } from "vitest";
import { HandleTable } from "./handle-table.ts";
import { UnknownHandle } from "./host/outcomes.ts";

function tableOf(limit: number) {
  const closed: string[] = [];
  const table = new HandleTable<string>(limit, (opened) => void closed.push(opened));
  return { table, closed };
}

test("closes the one used longest ago before another one is opened beyond the limit", () => {
  const { table, closed } = tableOf(2);
  table.open(1, () => "one");
  table.open(2, () => "two");
  table.get(1);
  table.open(3, () => {
    expect(closed).toEqual(["two"]);
    return "three";
  });
  expect([table.get(1), table.get(3)]).toEqual(["one", "three"]);
  expect(() => table.get(2)).toThrow(UnknownHandle);
});

test("opens what is open once", () => {
  const { table } = tableOf(2);
  table.open(1, () => "one");
  table.open(1, () => expect.unreachable());
  expect(table.get(1)).toBe("one");
});

test("knows nothing of what did not open", () => {
  const { table, closed } = tableOf(2);
  expect(() =>
    table.open(1, () => {
      throw new TypeError("no");
    }),
  ).toThrow("no");
  expect(() => table.get(1)).toThrow(UnknownHandle);
  expect(closed).toEqual([]);
});

test("closes once what is closed, and nothing that was lost", () => {
  const { table, closed } = tableOf(2);
  table.open(1, () => "one");
  table.close(1);
  table.close(1);
  table.open(2, () => "two");
  table.lost();
  table.close(2);
  expect(closed).toEqual(["one"]);
});
