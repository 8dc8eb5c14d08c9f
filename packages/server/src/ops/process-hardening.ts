import { readFileSync } from "node:fs";

/** What the process should not be able to do, and how to see to it; nothing when all is well. */
export function processWarnings(): readonly string[] {
  if (process.platform !== "linux") return [];
  const warnings: string[] = [];
  const soft = /^Max core file size +(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  if (soft !== "0")
    warnings.push(
      `core dumps are on (limit ${soft ?? "unknown"}) and would hold keys: run it with \`ulimit -c 0\``,
    );
  if (!process.execArgv.includes("--disable-sigusr1")) {
    warnings.push("SIGUSR1 would open a debugger: run it with node --disable-sigusr1");
  }
  return warnings;
}
