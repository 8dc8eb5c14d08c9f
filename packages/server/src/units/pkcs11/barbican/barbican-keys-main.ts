import { closeSync, writeSync } from "node:fs";
import { buffer } from "node:stream/consumers";
import type { BarbicanKeyJob } from "./barbican-key-job.ts";
import { doBarbicanKeyJob } from "./barbican-keys.ts";

/*
 * A process for one job on a token. On stdin: the job as a line of JSON, then the bytes of the PIN. On descriptor 3: the
 * outcome as JSON; stdout is left to the module, which may print what it likes.
 */

const OUTCOME = 3;

const given = await buffer(process.stdin);
const end = given.indexOf("\n");
const job = JSON.parse(given.toString("utf8", 0, end)) as BarbicanKeyJob;
const outcome = doBarbicanKeyJob(job, given.subarray(end + 1));
given.fill(0);
writeSync(OUTCOME, JSON.stringify(outcome));
closeSync(OUTCOME);
