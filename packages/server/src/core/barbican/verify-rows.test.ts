import { expect, test } from "vitest";
import { Failure } from "../errors.ts";
import type { KekRow, SecretRow } from "./barbican-database.ts";
import { verifyRows } from "./verify-rows.ts";

/* The counting, and the end. That secrets open is looked at with real tokens. */

const meta = JSON.stringify({
  iv: null,
  wrapped_key: "AAAA",
  hmac: "AAAA",
  mkek_label: "m",
  hmac_label: "h",
});

const keyRows = Array.from({ length: 3_000 }, (_, n): KekRow => ({
  id: String(n).padStart(6, "0"),
  pluginMeta: n === 1 ? null : n === 2 ? "[]" : meta,
  isActive: true,
  isDeleted: false,
}));

const secretRows = Array.from({ length: 1_000 }, (_, n): SecretRow => ({
  id: String(n).padStart(6, "0"),
  secretId: `s${n}`,
  kekId: String(n % 7),
  pluginMeta: n % 7 === 2 ? null : meta,
  cypherText: n === 0 ? "?" : "AAAA",
  kekMetaExtended: JSON.stringify({ iv: "AAAA", mechanism: "CKM_AES_GCM" }),
  isDeleted: false,
}));

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));

function verify(fails: { readonly at?: "verify" | "verifySecrets"; readonly nth?: number } = {}) {
  let calls = 0;
  const called = (call: string): void => {
    if (call === fails.at && (calls += 1) === fails.nth) throw new Failure("unit-unreachable", "gone");
  };
  const page =
    <Row extends { readonly id: string }>(rows: readonly Row[]) =>
    async (after: string | null, limit: number): Promise<readonly Row[]> => {
      await soon();
      return rows.filter(({ id }) => after === null || id > after).slice(0, limit);
    };
  return verifyRows(
    {
      database: {
        kekRows: page(keyRows),
        projectOf: (id) => Promise.resolve(`project of ${id}`),
        secretRows: page(secretRows),
      },
      token: {
        verify: async (keys) => {
          called("verify");
          return keys.map(() => "opened");
        },
        verifySecrets: async (_, secrets) => {
          called("verifySecrets");
          return secrets.map(() => "opened");
        },
      },
      clock: { nowMs: () => 0, sleep: () => Promise.resolve() },
    },
    { withSecrets: true, rowsPerSecond: Number.POSITIVE_INFINITY, signal: new AbortController().signal },
  );
}

test("every row is counted: opened, without a key yet, or failed by name", async () => {
  const { keys, secrets, isInterrupted } = await verify();
  expect(isInterrupted).toBe(false);
  expect(keys).toMatchObject({ seen: 3_000, opened: 2_998, unbound: 1, failed: { count: 1 } });
  const underUnbound = secretRows.filter(({ pluginMeta }) => pluginMeta === null).length;
  expect(secrets).toMatchObject({
    seen: 1_000,
    opened: 999 - underUnbound,
    failed: { count: underUnbound + 1 },
  });
});

test("a token that fails is a failure, and never rows that were not looked at", async () => {
  for (const at of ["verify", "verifySecrets"] as const)
    for (const nth of [1, 2, 3])
      await expect(verify({ at, nth }), `${at} ${nth}`).rejects.toMatchObject({ code: "unit-unreachable" });
});
