import { expect, test } from "vitest";
import type { KekRow } from "./barbican-database.ts";
import type { CensusLine } from "./census.ts";
import { countRows } from "./census.ts";

const meta = (labels: object): string =>
  JSON.stringify({
    iv: null,
    wrapped_key: "AAAA",
    hmac: "AAAA",
    mkek_label: "m",
    hmac_label: "h",
    ...labels,
  });

const KINDS: readonly (readonly [Partial<KekRow>, Omit<CensusLine, "rows">])[] = [
  [
    { pluginMeta: meta({}) },
    { mkekLabel: "m", hmacLabel: "h", mechanism: "CKM_AES_CBC_PAD", state: "active" },
  ],
  [
    { pluginMeta: meta({ key_wrap_mechanism: "CKM_AES_KEY_WRAP_KWP" }) },
    { mkekLabel: "m", hmacLabel: "h", mechanism: "CKM_AES_KEY_WRAP_KWP", state: "active" },
  ],
  [
    { pluginMeta: meta({ mkek_label: "m2" }), isActive: false },
    { mkekLabel: "m2", hmacLabel: "h", mechanism: "CKM_AES_CBC_PAD", state: "inactive" },
  ],
  [
    { pluginMeta: meta({ hmac_label: "h2" }), isDeleted: true },
    { mkekLabel: "m", hmacLabel: "h2", mechanism: "CKM_AES_CBC_PAD", state: "soft-deleted" },
  ],
  [{ pluginMeta: null }, { mkekLabel: null, hmacLabel: null, mechanism: null, state: "unbound" }],
  [{ pluginMeta: "gAAAAABk" }, { mkekLabel: null, hmacLabel: null, mechanism: null, state: "unreadable" }],
];

/** So many rows of the kind at a place as the place says, from 1. */
const rows = KINDS.flatMap(([values], kind) =>
  Array.from({ length: kind + 1 }, (_, n): KekRow => ({
    id: `${kind}-${n}`,
    pluginMeta: null,
    isActive: true,
    isDeleted: false,
    ...values,
  })),
);

test("a census counts rows by labels, mechanism and state, the most first", async () => {
  const database = {
    kekRows: async (after: string | null, limit: number) =>
      rows.filter(({ id }) => after === null || id > after).slice(0, limit),
  };
  const lines = KINDS.map(([, line], kind) => ({ ...line, rows: kind + 1 }));
  expect(await countRows(database)).toEqual(lines.toReversed());
});
