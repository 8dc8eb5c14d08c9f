import type { Command } from "commander";
import type { UnitView } from "@claviger/sdk";
import { inSession, noun, verb } from "../command.ts";
import { mkvpsLines } from "../registers.ts";
import { fields } from "../terminal.ts";
import { unitTable } from "../unit-table.ts";

export function unitCommands(program: Command): void {
  const unit = noun(program, "unit", "Crypto units: where master keys live");

  verb(
    unit,
    "list",
    "List the crypto units with their registers, one register a row, in the words of TKE. A verification pattern is shown by its first 16 bytes.",
    "claviger unit list",
  ).action(
    inSession(async (session) => {
      session.show({ items: await session.client.units.list() }, ({ items }) => unitTable(items));
    }),
  );

  oneUnit(
    unit,
    "show",
    "Show a crypto unit. Its registers appear as Linux shows them in the sysfs file mkvps, with their whole verification patterns.",
  ).action(
    inSession(async (session, address: string) =>
      session.show(await session.client.units.get(address), unitText),
    ),
  );

  verb(
    unit,
    "add",
    "Create a software unit and add it to a group. Its public key is pinned, and the group's master keys are copied into it wrapped for that key; an open change is joined.",
    "claviger unit add 01.0002",
  )
    .argument("[address]", "card.domain in hex (default: the next one that is free)")
    .option("--group <name>", "unit group (default: the only one)")
    .action(
      inSession(async (session, address: string | undefined, { group }: { group?: string }) => {
        const added = await session.client.units.add({ address, group });
        session.show(
          added,
          (view) => `Added unit ${view.address} to group ${view.group}; it is ${view.state}.`,
        );
      }),
    );

  oneUnit(
    unit,
    "remove",
    "Take a crypto unit out of its group. The last one that serves is not let go.",
  ).action(
    inSession(async (session, address: string) => {
      session.show(await session.client.units.remove(address), () => `Removed unit ${address}.`);
    }),
  );

  oneUnit(
    unit,
    "quarantine",
    "Stop using a crypto unit until it is readmitted. The reason is recorded. A master-key change goes on without a unit that is quarantined.",
    ' --reason "does not answer since 14:10"',
  )
    .requiredOption("--reason <sentence>", "why, for those who come later")
    .action(
      inSession(async (session, address: string, { reason }: { reason: string }) => {
        session.show(
          await session.client.units.quarantine(address, reason),
          () => `Unit ${address} is quarantined.`,
        );
      }),
    );

  oneUnit(unit, "readmit", "Let a crypto unit serve again. Its registers must be those of its group.").action(
    inSession(async (session, address: string) => {
      session.show(
        await session.client.units.readmit(address),
        (view) => `Unit ${address} is ${view.state}.`,
      );
    }),
  );
}

function oneUnit(parent: Command, name: string, about: string, more = ""): Command {
  return verb(parent, name, about, `claviger unit ${name} 01.0001${more}`).argument(
    "<address>",
    "card.domain in hex, as 03.0033",
  );
}

function unitText(unit: UnitView): string {
  return fields([
    ["address", unit.address],
    ["group", unit.group],
    ["adapter", unit.adapter],
    ["state", unit.state],
    ["reason", unit.reason],
    ["reachable", unit.reachable ? "yes" : "no"],
    ["fingerprint", unit.fingerprint],
    ["added", unit.addedAt],
    [
      "mkvps",
      unit.registers.length === 0
        ? "unknown while it is not reachable"
        : unit.registers.flatMap(mkvpsLines).join("\n"),
    ],
  ]);
}
