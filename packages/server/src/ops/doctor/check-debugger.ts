import type { Finding } from "./finding.ts";
import { finding } from "./finding.ts";

/** Whether SIGUSR1 would open a debugger in the daemon. `commandLine` is that of the daemon; undefined if none runs. */
export function checkDebugger(commandLine: readonly string[] | undefined): Finding {
  if (commandLine === undefined)
    return finding("debugger", "unknown", "no daemon runs that could be looked at");
  if (commandLine.some((word) => word.startsWith("--inspect"))) {
    return finding(
      "debugger",
      "broken",
      "the daemon runs with its debugger open",
      "Start it without --inspect.",
    );
  }
  if (commandLine.includes("--disable-sigusr1")) return finding("debugger", "ok", "SIGUSR1 opens none");
  return finding(
    "debugger",
    "broken",
    "SIGUSR1 would open one in the daemon, which shows keys",
    "Start it with `npm start` or `clavigerd serve`, or with node --disable-sigusr1.",
  );
}
