import { resolve } from "node:path";
import type { KeyObject } from "node:crypto";
import { CommanderError } from "commander";
import { systemClock } from "../../core/clock.ts";
import type { ProjectKeyTarget } from "../../core/barbican/project-key.ts";
import type { RewrapResult } from "../../core/barbican/rewrap-project-keys.ts";
import { rewrapProjectKeys } from "../../core/barbican/rewrap-project-keys.ts";
import { VERSION } from "../../version.ts";
import { count, counted, paint, printable } from "../output.ts";
import { ProgressLine } from "../progress-line.ts";
import type { Verb } from "../verb.ts";
import { wantsJson, withJson } from "../verb.ts";
import { censusTable } from "./census-table.ts";
import type { CommonOptions, TargetOptions } from "./common-options.ts";
import { targetOf, withRate, withTarget, withToken } from "./common-options.ts";
import { failedTable } from "./failed-table.ts";
import { interruption } from "./interruption.ts";
import type { OpenBarbican, ReadConfig } from "./open-barbican.ts";
import { openBarbican, readConfig } from "./open-barbican.ts";
import { readSigningKey, requireWritable, writeReport } from "./report-file.ts";

interface RewrapOptions extends CommonOptions, TargetOptions {
  readonly dryRun?: boolean;
  readonly rowsPerSecond?: number;
  readonly report?: string;
  readonly signKey?: string;
}

export const barbicanRewrapVerb: Verb = {
  words: ["barbican", "rewrap"],
  readsConfig: false,
  about:
    "Move the project keys of a Barbican to another MKEK, HMAC key or wrapping mechanism, while Barbican goes on serving. Each is checked, unwrapped, wrapped and opened again inside the token before its row is written. May be interrupted and run again at any moment. Exit status 0: all are moved; 1: some are not; 3: it cannot begin; 6: the token or the database gave no answer any more.",
  example: "clavigerd barbican rewrap --mkek-label mkek_2026 --hmac-label hmac_2026 --report rewrap.json",
  withOptions: (command) =>
    withJson(withRate(withTarget(withToken(command)), "as fast as it goes"))
      .option("--dry-run", "do everything but write")
      .option("--report <file>", "write the report of --json into a file too")
      .option("--sign-key <file>", "a PEM file with a private key, which signs the report into <file>.sig"),
  run: async (call) => {
    const options: RewrapOptions = call.options;
    const sink = sinkOf(options, call.sources.cwd);
    const read = readConfig(options, call.sources);
    await using barbican = await openBarbican(read, options, call.sources);
    const target = targetOf(options, read.config.current);
    const startedAtMs = systemClock.nowMs();
    const result = await rewrap(barbican, target, options);
    const report = reportOf({
      result,
      target,
      read,
      barbican,
      startedAtMs,
      isDryRun: options.dryRun === true,
    });
    const text = `${JSON.stringify(report, null, 2)}\n`;
    process.stdout.write(wantsJson(call) ? text : `${forPeople(result, target, options.dryRun === true)}\n`);
    if (sink) writeReport(sink.file, text, sink.key);
    if (result.failure) throw result.failure;
    return result.ended === "complete" && (result.left ?? result.failed.count) === 0 ? 0 : 1;
  },
};

/** Looked at first: a report that cannot be written is to be known before anything is. */
function sinkOf(
  { report, signKey }: RewrapOptions,
  cwd: string,
): { readonly file: string; readonly key: KeyObject | undefined } | undefined {
  if (report === undefined) {
    if (signKey === undefined) return undefined;
    throw new CommanderError(2, "claviger.report", "--sign-key signs what --report writes: give both");
  }
  const key = signKey === undefined ? undefined : readSigningKey(resolve(cwd, signKey));
  const file = resolve(cwd, report);
  requireWritable(file);
  return { file, key };
}

async function rewrap(
  { database, token }: OpenBarbican,
  target: ProjectKeyTarget,
  { dryRun: isDryRun = false, rowsPerSecond = Number.POSITIVE_INFINITY }: RewrapOptions,
): Promise<RewrapResult> {
  using interrupted = interruption();
  const total = await database.countKekRows();
  let line: { readonly pass: number; readonly progress: ProgressLine } | undefined;
  const result = await rewrapProjectKeys(
    { database, token, clock: systemClock },
    {
      target,
      isDryRun,
      rowsPerSecond,
      signal: interrupted.signal,
      onPage: ({ pass, seen, failed }) => {
        if (line?.pass !== pass) {
          line?.progress.clear();
          const what = pass > 1 ? "recount" : isDryRun ? "dry run" : "rewrap";
          line = { pass, progress: new ProgressLine(what, total) };
        }
        line.progress.update(seen, failed > 0 ? `${count(failed)} failed` : "");
      },
    },
  );
  line?.progress.clear();
  return result;
}

/** What `--json` prints: for scripts, and for auditors. */
function reportOf(input: {
  readonly result: RewrapResult;
  readonly target: ProjectKeyTarget;
  readonly read: ReadConfig;
  readonly barbican: OpenBarbican;
  readonly startedAtMs: number;
  readonly isDryRun: boolean;
}) {
  const { result, target, read, barbican, startedAtMs, isDryRun } = input;
  const { failed, failure, left, before, after, ended, moved, already, unbound, changedMeanwhile } = result;
  return {
    tool: { name: "claviger", version: VERSION },
    what: isDryRun ? "dry-run" : "rewrap",
    startedAt: new Date(startedAtMs).toISOString(),
    endedAt: new Date(systemClock.nowMs()).toISOString(),
    configuration: read.files,
    database: barbican.database.facts,
    token: barbican.token.facts,
    target,
    ended,
    failure: failure ? { code: failure.code, message: failure.message } : null,
    rows: { moved, already, unbound, changedMeanwhile, failed: failed.count, left: left ?? null },
    failures: failed.named,
    failuresNotNamed: failed.count - failed.named.length,
    census: { before, after: after ?? null },
  };
}

function forPeople(result: RewrapResult, target: ProjectKeyTarget, isDryRun: boolean): string {
  const { moved, already, unbound, changedMeanwhile, failed, left, after, ended } = result;
  const { mkekLabel, hmacLabel, mechanism } = target;
  const under = `MKEK ${printable(mkekLabel)}, HMAC key ${printable(hmacLabel)}, ${mechanism}`;
  const does = isDryRun ? "can be moved to" : "moved to";
  return [
    `${counted(moved, "project key", "project keys")} ${does} ${under}; ${count(already)} were there already.`,
    ...(unbound > 0
      ? [`${counted(unbound, "row has", "rows have")} no key yet: Barbican makes it when it needs one.`]
      : []),
    ...(changedMeanwhile > 0
      ? [
          `${counted(changedMeanwhile, "row was", "rows were")} changed by somebody else meanwhile, and looked at again.`,
        ]
      : []),
    ...failedTable(isDryRun ? "cannot be moved" : "were not moved", failed),
    ...(after ? ["", "Recount:", censusTable(after)] : []),
    verdict({ ended, left, failed: failed.count, isDryRun }),
  ].join("\n");
}

function verdict(end: {
  readonly ended: RewrapResult["ended"];
  readonly left: number | undefined;
  readonly failed: number;
  readonly isDryRun: boolean;
}): string {
  const { ended, left, failed, isDryRun } = end;
  if (ended !== "complete") return paint("yellow", "Not all rows were looked at: run it again.");
  if (isDryRun)
    return failed === 0
      ? paint("green", "Every project key would move. Nothing was written.")
      : paint("red", "Nothing was written.");
  if (left === 0) return paint("green", "Every project key is under the target.");
  if (left === failed)
    return paint("red", `${counted(left, "project key is", "project keys are")} not under the target.`);
  return paint(
    "red",
    `${counted(left ?? 0, "project key is", "project keys are")} not under the target. Some keep being added under other labels: restart every barbican-api and barbican-worker with the new ones, and run this again.`,
  );
}
