import { randomBytes, randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { refusal } from "../../../../../test/contracts/crypto-unit-contract.ts";
import { keyCheckValue } from "../../core/crypto/key-check-value.ts";
import { generateMasterKeyPair } from "../../core/crypto/master-key-pair.ts";
import { verificationPattern } from "../../core/crypto/verification-pattern.ts";
import { openWrappedKek, WRAPPED_KEK_BYTES, wrapKek } from "../../core/crypto/wrapped-kek.ts";
import type { KekId, ProjectId } from "../../core/ids.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../../core/ids.ts";
import type { BatchCall } from "./batch-call.ts";
import { runBatchCall } from "./batch-call.ts";
import { createBatchClient } from "./batch-client.ts";
import type { MasterKeyInUse } from "./kek-batch.ts";
import { PACKED_ROW_BYTES, packRows } from "../../core/unit/packed-rows.ts";

const scope = { group: DEFAULT_GROUP, type: DEFAULT_TYPE };

function masterKey(): MasterKeyInUse {
  const pair = generateMasterKeyPair();
  return { pair, vp: verificationPattern(DEFAULT_TYPE, pair) };
}

const from = masterKey();
const to = masterKey();
const keks = Array.from({ length: 50 }, () => {
  const binding = { ...scope, projectId: randomUUID() as ProjectId, kekId: randomUUID() as KekId };
  const kek = randomBytes(32);
  const kcv = keyCheckValue(kek);
  return { binding, kek, kcv, blob: wrapKek(from.pair, from.vp, binding, kcv, kek) };
});

function call(): BatchCall {
  const rows = keks.map(({ binding, kcv, blob }) => ({ ...binding, kcv, blob }));
  return { rows: packRows(rows).bytes, scope, from, to };
}

test("a batch gives the very blobs that wrapping row by row gives", () => {
  const { refusals, blobs } = runBatchCall(call());
  expect(refusals.every((code) => code === 0)).toBe(true);
  for (const [row, { binding, kek, kcv }] of keks.entries()) {
    const blob = blobs.subarray(row * WRAPPED_KEK_BYTES, (row + 1) * WRAPPED_KEK_BYTES);
    expect(Buffer.compare(blob, wrapKek(to.pair, to.vp, binding, kcv, kek))).toBe(0);
    const opened = openWrappedKek(to.pair, { ...binding, kcv, wrapped: { vp: to.vp, blob } });
    expect(opened).toEqual(kek);
  }
});

test("the thread answers calls that come together, and refuses them once it is closed", async () => {
  const client = createBatchClient("own");
  const expected = runBatchCall(call());
  const outcomes = await Promise.all([
    client.run(call()),
    client.run({ ...call(), to: undefined }),
    client.run(call()),
  ]);
  expect(outcomes[0]).toEqual(expected);
  expect(outcomes[1]).toEqual({ refusals: expected.refusals, blobs: new Uint8Array(0) });
  expect(outcomes[2]).toEqual(expected);
  const waiting = client.run(call());
  const told = refusal(waiting);
  await client.close();
  expect(await told).toBe("unit-unreachable");
  expect(await refusal(client.run(call()))).toBe("unit-unreachable");
});

test("a thread that dies fails its calls, and the next call starts another", async () => {
  const client = createBatchClient("own");
  // Rows that are no multiple of a row: a fault of the caller, which ends the thread.
  const broken = { ...call(), rows: new Uint8Array(PACKED_ROW_BYTES + 1), from: { ...from, vp: 1 as never } };
  expect(await refusal(client.run(broken))).toBe("unit-unreachable");
  expect((await client.run(call())).refusals.byteLength).toBe(keks.length);
  await client.close();
});
