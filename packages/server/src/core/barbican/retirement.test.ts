import { expect, test } from "vitest";
import type { CensusLine } from "./census.ts";
import { needing, rowsIn } from "./retirement.ts";

const line = (
  mkekLabel: string | null,
  hmacLabel: string | null,
  state: CensusLine["state"],
): CensusLine => ({
  mkekLabel,
  hmacLabel,
  mechanism: "CKM_AES_CBC_PAD",
  state,
  rows: 10,
});

const [both, mkekOnly, hmacOnly, neither, deleted, unreadable, unbound] = [
  line("old", "old", "active"),
  line("old", "new", "inactive"),
  line("new", "old", "active"),
  line("new", "new", "active"),
  line("old", "new", "soft-deleted"),
  line(null, null, "unreadable"),
  line(null, null, "unbound"),
] as const;
const LINES = [both, mkekOnly, hmacOnly, neither, deleted, unreadable, unbound];

test.for([
  ["an MKEK", { mkek: "old", hmac: undefined }, [both, mkekOnly, deleted, unreadable]],
  ["an HMAC key", { mkek: undefined, hmac: "old" }, [both, hmacOnly, unreadable]],
  ["either of two", { mkek: "old", hmac: "old" }, [both, mkekOnly, hmacOnly, deleted, unreadable]],
  ["a key that no row names", { mkek: "older", hmac: undefined }, [unreadable]],
] as const)(
  "%s is needed by rows that name it, soft-deleted ones too, and by what cannot be read",
  ([, labels, need]) => {
    expect(needing(LINES, labels)).toEqual(need);
    expect(rowsIn(needing(LINES, labels))).toBe(10 * need.length);
  },
);
