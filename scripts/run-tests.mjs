// Runs the static checks, then every test, and closes with one line: `N passed, N failed` (`, N skipped`). Each step
// of the checks counts as a test. Ends with status 1 if anything failed or no test ran. Start it with `npm test`;
// arguments go to vitest (`npm test -- packages/server/src/store`).

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { runChecks } from "./check.mjs";
import { runChild, statusOf, stoppedBy } from "./run-child.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SLOWEST = 10;

const checks = await runChecks();
const { status, report } = await runVitest();

// A file that does not load has no tests that could fail, and counts as one failure itself.
const brokenFiles = report.testResults.filter(
  (file) => file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed"),
);
const ran = report.numPassedTests + report.numFailedTests;
let failed = checks.failed + report.numFailedTests + brokenFiles.length;
if (status !== 0 && report.numFailedTests + brokenFiles.length === 0) {
  console.log(`\nvitest ended with status ${status}: that counts as one failure.`);
  failed += 1;
} else if (ran === 0 && failed === checks.failed) {
  console.log("\nNo test ran: that counts as one failure.");
  failed += 1;
}

printSlowest(report.testResults);
const skipped = report.numPendingTests + report.numTodoTests;
const passed = checks.passed + report.numPassedTests;
console.log(`\n${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`);
process.exitCode = failed === 0 ? 0 : 1;

/** Shows the run to people, and returns what vitest reports to machines. */
async function runVitest() {
  const folder = mkdtempSync(join(tmpdir(), "claviger-tests-"));
  try {
    const reportFile = join(folder, "report.json");
    const { status: vitestStatus } = await runChild(
      process.execPath,
      [
        join(ROOT, "node_modules", ".bin", "vitest"),
        "run",
        "--reporter=default",
        "--reporter=json",
        `--outputFile.json=${reportFile}`,
        ...process.argv.slice(2),
      ],
      { cwd: ROOT },
    );
    const empty = {
      numPassedTests: 0,
      numFailedTests: 0,
      numPendingTests: 0,
      numTodoTests: 0,
      testResults: [],
    };
    return {
      status: vitestStatus,
      report: existsSync(reportFile) ? JSON.parse(readFileSync(reportFile, "utf8")) : empty,
    };
  } finally {
    rmSync(folder, { recursive: true });
    if (stoppedBy !== undefined) process.exit(statusOf(stoppedBy));
  }
}

function printSlowest(files) {
  if (files.length === 0) return;
  console.log("\nSlowest test files:");
  const timed = files.map((file) => ({ name: relative(ROOT, file.name), ms: file.endTime - file.startTime }));
  for (const { name, ms } of timed.sort((a, b) => b.ms - a.ms).slice(0, SLOWEST)) {
    console.log(`${(ms / 1000).toFixed(1).padStart(7)} s  ${name}`);
  }
}
