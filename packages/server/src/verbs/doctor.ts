import type { Failure } from "../core/errors.ts";
import { EXIT_STATUS, isFailure } from "../core/errors.ts";
import { readConfig } from "../ops/config.ts";
import type { Config } from "../ops/config.ts";
import type { Sources } from "../ops/config-sources.ts";
import { examine } from "../ops/doctor/examine.ts";
import type { Finding, Verdict } from "../ops/doctor/finding.ts";
import { readPostgres } from "../store/postgres-reading.ts";
import { columns, paint, show } from "./output.ts";
import type { Verb } from "./verb.ts";
import { wantsJson, withJson } from "./verb.ts";

export const doctorVerb: Verb = {
  words: ["doctor"],
  about:
    "Look whether this machine, the data folder and a PostgreSQL database are fit for keys. It checks core dumps, debugger, swap, clock, versions, configuration, TLS, files, layout and disk space, and of a database version, durability, link, role, schema, connections and lock; it changes nothing. Exit status 0: nothing must be mended, though there may be warnings; 3: something must.",
  example: "clavigerd doctor --data /var/lib/claviger",
  withOptions: withJson,
  run: async (call) => {
    const findings = await examine(configOrRefusal(call.sources), readPostgres);
    const broken = findings.filter(({ verdict }) => verdict === "broken").length;
    show({ healthy: broken === 0, findings }, wantsJson(call), () => text(findings, broken));
    return broken === 0 ? 0 : EXIT_STATUS.precondition;
  },
};

function configOrRefusal({ env, cwd, readFile, flags }: Sources): Config | Failure {
  try {
    return readConfig(env, cwd, readFile, flags);
  } catch (error) {
    if (isFailure(error, "config-invalid")) return error;
    throw error;
  }
}

const COLOUR = { ok: "green", warning: "yellow", broken: "red", unknown: "dim" } as const satisfies Record<
  Verdict,
  string
>;

function text(findings: readonly Finding[], broken: number): string {
  const table = columns(findings.map(({ verdict, check, found }) => [verdict, check, found])).split("\n");
  const lines = findings.flatMap(({ verdict, advice }, nth) => {
    const line = table[nth] ?? "";
    const painted = paint(COLOUR[verdict], verdict) + line.slice(verdict.length);
    return advice === null ? [painted] : [painted, `         → ${advice}`];
  });
  const warnings = findings.filter(({ verdict }) => verdict === "warning").length;
  const end = `${broken} must be mended, ${warnings} ${warnings === 1 ? "warning" : "warnings"}.`;
  return [...lines, "", end].join("\n");
}
