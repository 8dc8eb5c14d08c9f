import type { Command } from "commander";
import { Option } from "commander";
import type { InGroup } from "../command.ts";
import { inSession, noun, typedPattern, verb, withGroup } from "../command.ts";
import { retypedPattern } from "../pattern-prompt.ts";
import type { Session } from "../session.ts";
import { note } from "../terminal.ts";
import { newRegisters, registerTable } from "../unit-table.ts";

interface OnUnit extends InGroup {
  readonly unit?: string;
}
interface CopyOptions extends InGroup {
  readonly register?: "NEW" | "CURRENT" | "OLD";
  readonly from?: string;
  readonly to?: string[];
}

export function masterKeyCommands(program: Command): void {
  const masterKey = noun(
    program,
    "master-key",
    "Master keys: fill, copy, commit and clear the registers of crypto units",
  );

  onUnit(
    verb(
      masterKey,
      "generate",
      "Fill NEW of one crypto unit with a random master key. It is uncommitted: copy it to the other units and commit it there.",
      "claviger master-key generate",
    ),
    "the unit (default: the first that serves)",
  ).action(
    inSession(async (session, { group, type, unit }: OnUnit) => {
      session.show({ units: await session.client.masterKeys.generate({ group, type, unit }) }, ({ units }) =>
        registerTable(units),
      );
    }),
  );

  withGroup(
    verb(
      masterKey,
      "copy",
      "Copy a register of one crypto unit to other units of its group. The master key travels only wrapped for the pinned public key of the unit that receives it.",
      "claviger master-key copy --from 01.0001 --to 01.0002 01.0003",
    ),
  )
    .addOption(new Option("--register <register>", "(default: NEW)").choices(["NEW", "CURRENT", "OLD"]))
    .option("--from <address>", "the unit that has it (default: the only one that does)")
    .option("--to <address...>", "the units that get it (default: all others of the group)")
    .action(
      inSession(async (session, { group, type, register, from, to }: CopyOptions) => {
        const units = await session.client.masterKeys.copy({ group, type, register, from, to });
        session.show({ units }, (view) => registerTable(view.units));
      }),
    );

  byPattern(
    masterKey,
    "commit",
    "Commit NEW on every unit that holds this verification pattern. Compare it first with what the custodians agreed on; you are asked to retype it, or give it with --vp.",
  ).action(
    inSession(async (session, options: OnUnit & { vp?: string }) => {
      const units = await session.client.masterKeys.commit(await withPattern(session, options, "commit"));
      session.show({ units }, (view) => registerTable(view.units));
    }),
  );

  byPattern(
    masterKey,
    "clear-new",
    "Clear NEW on every unit that holds this verification pattern. You are asked to retype it, or give it with --vp. An open change forbids it once it has begun to re-encipher.",
  ).action(
    inSession(async (session, options: OnUnit & { vp?: string }) => {
      const units = await session.client.masterKeys.clearNew(await withPattern(session, options, "clear"));
      session.show({ units }, (view) => registerTable(view.units));
    }),
  );
}

/** The command with its pattern: from --vp, else retyped below the registers it is compared with. */
async function withPattern(
  session: Session,
  { group, type, unit, vp }: OnUnit & { vp?: string },
  doing: string,
) {
  if (vp !== undefined) return { group, type, unit, vp };
  const question = `Retype the verification pattern of the NEW that you want to ${doing} (its first 16 bytes or more)`;
  return {
    group,
    type,
    unit,
    vp: await retypedPattern(question, "it with --vp", () => showNew(session, group, type)),
  };
}

async function showNew(session: Session, group: string | undefined, type: string | undefined): Promise<void> {
  note(newRegisters(await session.client.units.list(), group, type));
}

function onUnit(command: Command, which: string): Command {
  return withGroup(command).option("--unit <address>", which);
}

function byPattern(parent: Command, name: string, about: string): Command {
  const example = `claviger master-key ${name} --vp 5d1c0e9f2b7a48c3a6f1d2e3b4c5a697`;
  return onUnit(verb(parent, name, about, example), "only on this unit").option(
    "--vp <pattern>",
    "verification pattern of NEW, its first 16 bytes or more, in hex",
    typedPattern,
  );
}
