// Runs every static check, two at a time, and says how each went: one line per step, and the output of those that
// fail. All of them run, whatever fails. Start it with `npm run check`.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runChild, statusOf, stoppedBy } from "./run-child.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PARALLEL = 2;

const bin = (name) => join(ROOT, "node_modules", ".bin", name);
const folders = ["packages", "test", "bench", "demo", "scripts"].filter((folder) =>
  existsSync(join(ROOT, folder)),
);

/** The arguments for Node.js of each step. */
const STEPS = {
  format: [bin("prettier"), "--check", "."],
  lint: [bin("oxlint"), "--type-aware"],
  types: [bin("tsc"), "-p", "."],
  boundaries: [bin("depcruise"), "--no-progress", ...folders],
  "sdk docs": [bin("typedoc"), "--emit", "none", "--logLevel", "Warn"],
  "dead code": [bin("knip"), "--no-config-hints", "--no-progress"],
  "house rules": [join(ROOT, "scripts", "check-house-rules.mjs")],
};

/**
 * Runs every step and prints as it goes.
 * @returns {Promise<{ passed: number, failed: number }>} how many steps there were of each kind
 */
export async function runChecks() {
  const waiting = Object.entries(STEPS);
  const count = { passed: 0, failed: 0 };
  const worker = async () => {
    for (let step = waiting.shift(); step !== undefined && stoppedBy === undefined; step = waiting.shift()) {
      const [name, nodeArgs] = step;
      const startMs = performance.now();
      const { status, output } = await runChild(process.execPath, nodeArgs, { capture: true, cwd: ROOT });
      if (stoppedBy !== undefined) return;
      const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
      console.log(`${status === 0 ? "ok    " : "FAILED"} ${name.padEnd(12)}${seconds.padStart(6)} s`);
      if (status !== 0) console.log(`\n${output.replace(/^\n+|\s+$/g, "")}\n`);
      count[status === 0 ? "passed" : "failed"] += 1;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  if (stoppedBy !== undefined) process.exit(statusOf(stoppedBy));
  return count;
}

if (import.meta.main) {
  const { failed } = await runChecks();
  process.exitCode = failed === 0 ? 0 : 1;
}
