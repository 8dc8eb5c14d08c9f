import type { Command } from "commander";
import type { CensusView, StatusView } from "@claviger/sdk";
import type { InGroup } from "../command.ts";
import { inSession, verb, withGroup } from "../command.ts";
import { shownPattern } from "../registers.ts";
import { count, paint, plain, table } from "../terminal.ts";

export function statusCommands(program: Command): void {
  verb(
    program,
    "status",
    "Show the state of the service and its master keys. One row for each group of crypto units and type of master key: the verification pattern of CURRENT, how many project KEKs it wraps, how many units serve, and the change that is open.",
    "claviger status",
  ).action(inSession(async (session) => session.show(await session.client.status(), statusText)));

  withGroup(
    verb(
      program,
      "census",
      "Count the wrapped project KEKs per verification pattern. It is the proof of a master-key change: when it is done, every KEK is under the new pattern, and after the purge nothing is left under the old one.",
      "claviger census",
    ),
  ).action(
    inSession(async (session, { group, type }: InGroup) => {
      session.show(await session.client.census({ group, type }), censusText);
    }),
  );
}

function statusText({ version, ready, reasons, groups }: StatusView): string {
  const rows = groups.map((group) => [
    group.group,
    group.type,
    shownPattern(group.current),
    count(group.keks),
    `${group.unitsServing} of ${group.units}`,
    group.openChange ?? "-",
  ]);
  return [
    `claviger ${plain(version)}  ${ready ? paint("green", "ready") : paint("red", "not ready")}`,
    ...reasons.map((reason) => `  ${plain(reason)}`),
    table(
      ["GROUP", "TYPE", "CURRENT", "KEKS", "UNITS SERVING", "OPEN CHANGE"],
      rows,
      "There is no group of crypto units.",
    ),
  ].join("\n");
}

function censusText({ group, type, total, patterns }: CensusView): string {
  const rows = patterns.map(({ vp, current, next, previous }) => [
    shownPattern(vp),
    count(current),
    count(next),
    count(previous),
  ]);
  return [
    `group ${plain(group)}, type ${type}: ${count(total)} project KEKs`,
    table(
      ["VERIFICATION PATTERN", "IN USE", "FOR OPEN CHANGE", "KEPT FROM BEFORE"],
      rows,
      "No KEK is wrapped yet.",
    ),
  ].join("\n");
}
