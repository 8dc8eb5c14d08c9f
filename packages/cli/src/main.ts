import { exitStatusOf, reportOf } from "./exit-status.ts";
import { buildProgram, helpPage } from "./program.ts";
import { printReport } from "./terminal.ts";

/** Runs the command line and sets the exit status; nothing is thrown and nothing waits behind it. */
const program = buildProgram();
try {
  await program.parseAsync(process.argv);
} catch (error) {
  const report = reportOf(error, helpPage(program, process.argv.slice(2)));
  if (report !== null) printReport(report, process.argv.includes("--json"));
  process.exitCode = exitStatusOf(error);
}
