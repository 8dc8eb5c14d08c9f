import type { Command } from "commander";
import type { UnitView } from "@claviger/sdk";
import { inSession, noun, verb } from "../command.ts";
import { handOn } from "./daemon.ts";
import { mkvpsLines } from "../registers.ts";
import { migrate } from "../migrate-unit.ts";
import { fields } from "../terminal.ts";
import type { TokenOptions } from "../token-options.ts";
import { tokenUri, withToken } from "../token-options.ts";
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
    "Show a crypto unit and its abilities. Its registers appear as Linux shows them in the sysfs file mkvps, with their whole verification patterns.",
  ).action(
    inSession(async (session, address: string) =>
      session.show(await session.client.units.get(address), unitText),
    ),
  );

  addCommands(unit);
  migrateCommand(unit);

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

  handOn(unit, ["unit", "probe"], "What a PKCS#11 token can do, proved by known answers");

  oneUnit(unit, "readmit", "Let a crypto unit serve again. Its registers must be those of its group.").action(
    inSession(async (session, address: string) => {
      session.show(
        await session.client.units.readmit(address),
        (view) => `Unit ${address} is ${view.state}.`,
      );
    }),
  );
}

interface AttachOptions extends TokenOptions {
  readonly group?: string;
  readonly clonable?: boolean;
}

function addCommands(unit: Command): void {
  const add = intoGroup(
    verb(
      unit,
      "add",
      "Create a software unit and add it to a group. Its public key is pinned, and the group's master keys are copied into it wrapped for that key; an open change is joined. Where the configuration of the daemon names a token for the address (`pkcs11.units`), that is attached.",
      "claviger unit add 01.0002",
    ),
  ).action(
    inSession(async (session, address: string | undefined, { group }: { group?: string }) =>
      session.show(await session.client.units.add({ address, group }), addedText),
    ),
  );
  // What stands behind `pkcs11` is for it alone.
  add.enablePositionalOptions();

  withToken(
    intoGroup(
      verb(
        add,
        "pkcs11",
        "Attach a PKCS#11 token as a crypto unit. Module and PIN file are paths on the daemon's machine: its configuration lists the modules (`pkcs11.modules`) and says where PIN files lie (`pkcs11.pins`). Master keys are copied into the token where it and a unit of the group can do that. Whether the master keys that it makes itself are clonable is decided here, and for good: a clonable master key can leave the token wrapped for another unit's pinned key; one that is not can never be copied, so its group has only this unit, and its loss is the loss of every key unless the HSM has its own backup.",
        "claviger unit add pkcs11 02.0001 --module /usr/lib/softhsm/libsofthsm2.so --token-label kms --pin-file /var/lib/claviger/pins/kms.pin",
      ),
    ),
  )
    .option("--clonable", "new master keys may be copied to other units (default: never)")
    .action(
      inSession(async (session, address: string | undefined, _options: object, command: Command) => {
        // `--group` may stand before `pkcs11` too.
        const { group, clonable, ...token } = command.optsWithGlobals<AttachOptions>();
        const pkcs11 = { uri: tokenUri(token), ...(clonable && { clonable }) };
        session.show(await session.client.units.add({ address, group, pkcs11 }), addedText);
      }),
    );
}

function migrateCommand(unit: Command): void {
  oneUnit(
    unit,
    "migrate",
    "Replace a crypto unit by one that serves beside it. The old unit is put into quarantine, a master-key change is carried through whose NEW the other unit makes, and the old unit is removed: it never gets the new master key. Traffic goes on. It is asked for once, before activation, which is the point of no return; up to there `claviger change cancel` and `claviger unit readmit` take it back. What was interrupted goes on when the command is repeated.",
    " --to 02.0001",
  )
    .requiredOption("--to <address>", "the unit that stays; add it first, with `claviger unit add pkcs11`")
    .option("--yes", "do not ask before activation")
    .action(
      inSession(async (session, address: string, { to, yes }: { to: string; yes?: true }) => {
        const left = await migrate(session.client, { from: address, to, ask: yes !== true });
        session.show(left, () => `Unit ${address} is replaced by unit ${to}, and removed.`);
      }),
    );
}

function intoGroup(command: Command): Command {
  return command
    .argument("[address]", "card.domain in hex (default: the next one that is free)")
    .option("--group <name>", "unit group (default: the only one)");
}

function addedText({ address, group, state }: UnitView): string {
  return `Added unit ${address} to group ${group}; it is ${state}.`;
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
    ["reachable", yes(unit.reachable)],
    ["fingerprint", unit.fingerprint],
    ["added", unit.addedAt],
    ["token", unit.token && tokenText(unit.token)],
    ...abilityFields(unit),
    [
      "mkvps",
      unit.registers.length === 0
        ? "unknown while it is not reachable"
        : unit.registers.flatMap(mkvpsLines).join("\n"),
    ],
  ]);
}

function tokenText({ label, serial, clonable }: NonNullable<UnitView["token"]>): string {
  return `${label}, serial ${serial}; new master keys are ${clonable ? "" : "not "}clonable`;
}

function abilityFields({ abilities }: UnitView): readonly (readonly [string, string])[] {
  if (!abilities) return [["abilities", "unknown while it was not opened"]];
  return [
    ["seals with", `payload suite ${abilities.payloadSuite}`],
    ["signs with", listed(abilities.signingSpecs)],
    ["imports by", listed(abilities.importAlgorithms)],
    ["clones master keys", yes(abilities.cloneMasterKeys)],
    ["recalls OLD", yes(abilities.recallOld)],
    ["keeps anchors", yes(abilities.keepsAnchors)],
  ];
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.join(", ");
}

function yes(value: boolean): string {
  return value ? "yes" : "no";
}
