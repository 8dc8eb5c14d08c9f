import { systemClock } from "../../core/clock.ts";
import type { VerifyResult } from "../../core/barbican/verify-rows.ts";
import { verifyRows } from "../../core/barbican/verify-rows.ts";
import { count, paint, show } from "../output.ts";
import { ProgressLine } from "../progress-line.ts";
import type { Verb } from "../verb.ts";
import { wantsJson, withJson } from "../verb.ts";
import type { CommonOptions } from "./common-options.ts";
import { withRate, withToken } from "./common-options.ts";
import { failedTable } from "./failed-table.ts";
import { interruption } from "./interruption.ts";
import { openBarbican, readConfig } from "./open-barbican.ts";

interface VerifyOptions extends CommonOptions {
  readonly secrets?: true;
  readonly rowsPerSecond?: number;
}

/** Gentle: Barbican uses the same token, and an HSM in a network does some thousand calls a second. */
const USUAL_ROWS_PER_SECOND = 200;

export const barbicanVerifyVerb: Verb = {
  words: ["barbican", "verify"],
  readsConfig: false,
  about:
    "Open every project key of a Barbican inside its token, and with --secrets every secret, and say which do not open and why. It looks at nothing but whether they open, writes nothing, and keeps to a rate that a live system bears. Exit status 0: all open; 1: some do not.",
  example: "clavigerd barbican verify --secrets --rows-per-second 500",
  withOptions: (command) =>
    withJson(withRate(withToken(command), String(USUAL_ROWS_PER_SECOND))).option(
      "--secrets",
      "open every secret too",
    ),
  run: async (call) => {
    const options: VerifyOptions = call.options;
    const read = readConfig(options, call.sources);
    await using barbican = await openBarbican(read, options, call.sources);
    const { database, token } = barbican;
    using interrupted = interruption();
    const totals = {
      "project keys": await database.countKekRows(),
      secrets: options.secrets ? await database.countSecretRows() : 0,
    };
    const lines = new Map<string, ProgressLine>();
    const result = await verifyRows(
      { database, token, clock: systemClock },
      {
        withSecrets: options.secrets === true,
        rowsPerSecond: options.rowsPerSecond ?? USUAL_ROWS_PER_SECOND,
        signal: interrupted.signal,
        onPage: ({ what, seen }) => {
          const line = lines.get(what) ?? new ProgressLine(what, totals[what]);
          lines.set(what, line);
          line.update(seen);
        },
      },
    );
    for (const line of lines.values()) line.clear();
    show(forScripts(result), wantsJson(call), () => forPeople(result));
    return !result.isInterrupted && failedOf(result) === 0 ? 0 : 1;
  },
};

function forScripts({ isInterrupted, keys, secrets }: VerifyResult) {
  const named = <Row>(failed: { readonly count: number; readonly named: readonly Row[] }) => ({
    failed: failed.count,
    failures: failed.named,
  });
  return {
    isInterrupted,
    keys: { ...keys, ...named(keys.failed) },
    secrets: secrets ? { ...secrets, ...named(secrets.failed) } : null,
  };
}

function failedOf({ keys, secrets }: VerifyResult): number {
  return keys.failed.count + (secrets?.failed.count ?? 0);
}

function forPeople(result: VerifyResult): string {
  const { keys, secrets, isInterrupted } = result;
  const lines = [
    `${count(keys.opened)} of ${count(keys.seen - keys.unbound)} project keys open.`,
    ...failedTable("project keys do not open", keys.failed),
  ];
  if (secrets)
    lines.push(
      `${count(secrets.opened)} of ${count(secrets.seen)} secrets open.`,
      ...failedTable("secrets do not open", secrets.failed),
    );
  if (isInterrupted) lines.push(paint("yellow", "It was interrupted: not everything was looked at."));
  else if (failedOf(result) === 0) lines.push(paint("green", "Everything opens."));
  return lines.join("\n");
}
