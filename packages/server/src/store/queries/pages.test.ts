import fc from "fast-check";
import { expect, test } from "vitest";
import { A, B } from "../../../../../test/model/arbitrary-facts.ts";
import { isFailure } from "../../core/errors.ts";
import { pageOf, pageStart } from "./pages.ts";
import { Patterns } from "./patterns.ts";

test("pages of whatever size give every item once, in order", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 999 })),
      fc.integer({ min: 1, max: 9 }),
      (ns, limit) => {
        const table = ns.toSorted((a, b) => a - b).map((n) => ({ n }));
        const seen: number[] = [];
        let after: string | undefined;
        do {
          const start = pageStart({ limit, after });
          const page = pageOf(table.filter(({ n }) => n > start).slice(0, limit + 1), limit, ({ n }) => n);
          expect(page.items.length).toBeLessThanOrEqual(limit);
          seen.push(...page.items);
          after = page.next;
        } while (after !== undefined);
        expect(seen).toEqual(table.map(({ n }) => n));
      },
    ),
  );
});

test("what is no `next` of a page is refused, naming the field", () => {
  const refused = (after: string): boolean => {
    try {
      pageStart({ limit: 1, after });
      return false;
    } catch (error) {
      return isFailure(error, "invalid-request") && error.field === "after";
    }
  };
  fc.assert(
    fc.property(fc.string(), (after) => {
      fc.pre(!/^[0-9]{1,15}$/.test(after));
      expect(refused(after)).toBe(true);
    }),
  );
});

test("a pattern that was never seen is that of no row, and a row that names an unknown master key is damage", () => {
  const patterns = new Patterns([{ id: 1, vp: A }]);
  expect([patterns.id(A), patterns.id(B), patterns.id(undefined), patterns.vp(1)]).toEqual([1, 0, 0, A]);
  expect(() => patterns.vp(2)).toThrow(/not in master_keys/);
});
