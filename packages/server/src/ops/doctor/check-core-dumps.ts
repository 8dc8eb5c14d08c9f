import type { Finding } from "./finding.ts";
import { finding } from "./finding.ts";

/** Handlers that a pipe may lead to and that keep the limit of the process by themselves. */
const KEEPS_THE_LIMIT = /systemd-coredump|apport/;

/**
 * Whether a crash would write keys to a disk. `limits` is /proc/<pid>/limits of the daemon, or of this process where no
 * daemon runs, which then only tells what a daemon that is started from here would have. `pattern` is
 * /proc/sys/kernel/core_pattern: a dump that goes to a program is not bound by the limit (core(5)).
 */
export function checkCoreDumps(
  limits: string | undefined,
  pattern: string | undefined,
  daemonRuns: boolean,
): Finding {
  const limit = /^Max core file size +(\S+)/m.exec(limits ?? "")?.[1];
  const whose = daemonRuns ? "the daemon" : "what is started from here";
  if (limit === undefined) return finding("core dumps", "unknown", "the limit of core dumps cannot be read");
  if (limit !== "0") {
    return finding(
      "core dumps",
      daemonRuns ? "broken" : "warning",
      `on for ${whose} (limit ${limit}); a core dump would hold keys`,
      "Start it with `npm start` or `clavigerd serve`, or give the systemd unit LimitCORE=0.",
    );
  }
  const handler = pattern?.startsWith("|") === true ? pattern.slice(1).trim() : undefined;
  if (handler !== undefined && !KEEPS_THE_LIMIT.test(handler)) {
    return finding(
      "core dumps",
      "warning",
      `off for ${whose}, but the kernel hands them to ${handler.split(/\s/, 1)[0]}, limit or not`,
      "See that this program keeps no dump of a process whose limit is 0, or set kernel.core_pattern to a file.",
    );
  }
  return finding("core dumps", "ok", `off for ${whose}`);
}
