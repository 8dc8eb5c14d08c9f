import { buffer } from "node:stream/consumers";
import { openDatabase } from "../../packages/server/src/barbican/database/open-database.ts";
import { rewrapProjectKeys } from "../../packages/server/src/core/barbican/rewrap-project-keys.ts";
import { systemClock } from "../../packages/server/src/core/clock.ts";
import { SecretBytes } from "../../packages/server/src/core/secret/secret-bytes.ts";
import { openProjectKeyToken } from "../../packages/server/src/units/pkcs11/barbican/open-project-key-token.ts";
import type { ProcessCost } from "./process-cost.ts";
import { childrenOf, costOf } from "./process-cost.ts";
import type { RewrapInput, RewrapOutput } from "./rewrap-input.ts";

/*
 * One rewrap as `clavigerd barbican rewrap` does it, in a process of its own, so that nothing but it is in the figures: the
 * processor time of this process and its unit hosts while the rewrap goes on, and the most memory that each ever had.
 */

const { databaseUrl, module, environment, label, target } = JSON.parse(process.argv[2] ?? "") as RewrapInput;
using pin = new SecretBytes(await buffer(process.stdin));
const token = await openProjectKeyToken({
  location: { modulePath: module, token: label },
  pin,
  hmacKeyType: "CKK_GENERIC_SECRET",
  hmacMechanism: "CKM_SHA256_HMAC",
  environment,
});
const database = await openDatabase(databaseUrl);

const pids = [process.pid, ...childrenOf(process.pid)];
const before = pids.map(costOf);
const startedMs = performance.now();
const result = await rewrapProjectKeys(
  { database, token, clock: systemClock },
  { target, isDryRun: false, rowsPerSecond: Number.POSITIVE_INFINITY, signal: new AbortController().signal },
);
const seconds = (performance.now() - startedMs) / 1_000;
const [parent, ...hosts] = pids.map(costOf).map((after, i) => since(before[i], after));
await token.close();
await database.close();

if (result.failure) throw result.failure;
if (!parent || result.left !== 0) throw new Error(`${result.left} rows were not moved`);
process.stdout.write(JSON.stringify({ moved: result.moved, seconds, parent, hosts } satisfies RewrapOutput));

function since(before: ProcessCost | undefined, after: ProcessCost): ProcessCost {
  return { ...after, cpuSeconds: after.cpuSeconds - (before?.cpuSeconds ?? 0) };
}
