import type { Command } from "commander";
import type { ChangeView, ClavigerClient, Until } from "@claviger/sdk";
import { isVerified } from "@claviger/sdk";
import { changeSentence } from "../change-text.ts";
import { inSession, typedPattern, verb, wholeNumber } from "../command.ts";
import { UsageError } from "../exit-status.ts";
import { meantChange } from "../open-change.ts";
import { confirmedPattern } from "../pattern-prompt.ts";
import { canAsk } from "../terminal.ts";
import { finalizeWhenVerified, waitShowing } from "../wait.ts";

interface WaitFlags {
  readonly wait?: boolean;
  readonly timeout?: number;
}
interface ActivateFlags extends WaitFlags {
  readonly yes?: boolean;
  readonly vp?: string;
  readonly override?: boolean;
}

/** A verb on one change: what it sends, and where `--wait` waits for it to lead. */
interface VerbRow {
  readonly name: string;
  readonly about: string;
  readonly send: (client: ClavigerClient, id: string, flags: WaitFlags) => Promise<ChangeView>;
  readonly until: Until | null;
  /** Whether it may concern a change that is DONE, so that the id of such a one may be left out too. */
  readonly finishedToo?: true;
}

const VERBS: readonly VerbRow[] = [
  {
    name: "reencipher",
    about:
      "Start to re-encipher every KEK under the target. KEKs that are created from now on carry both forms; clients notice nothing. It ends in READY, where it may rest for days.",
    send: (client, id) => client.changes.reencipher(id),
    until: "READY",
  },
  {
    name: "pause",
    about: "Pause the re-enciphering at the end of its batch. Everything stays as it is until it is resumed.",
    send: (client, id) => client.changes.pause(id),
    until: null,
  },
  {
    name: "resume",
    about: "Go on with what was paused or blocked. KEKs that failed are tried again.",
    send: (client, id) => client.changes.resume(id),
    until: null,
  },
  {
    name: "finalize",
    about:
      "Move every KEK's form under the new master key into use, once all of them have been opened. With --wait it also waits for that verification. It ends in DONE; the old forms are kept until the purge.",
    send: (client, id, { wait, timeout }) =>
      wait === true ? finalizeWhenVerified(client, id, timeout) : client.changes.finalize(id),
    until: "DONE",
  },
  {
    name: "cancel",
    about:
      "Take everything back: forms under the target are dropped and NEW is cleared. Possible until the first unit has activated.",
    send: (client, id) => client.changes.cancel(id),
    until: "CANCELED",
  },
  {
    name: "restore",
    about:
      "Open a change back to the master key of before. NEW is filled from OLD inside the units; from there on it proceeds as any change. Possible until the old master key is purged.",
    send: (client, id) => client.changes.restore(id),
    until: "STAGED",
    finishedToo: true,
  },
  {
    name: "approve",
    about:
      "Approve what another principal asked for on this change: its purge, or an activation with --override. The approval has it done.",
    send: (client, id) => client.changes.approve(id),
    until: null,
    finishedToo: true,
  },
  {
    name: "purge",
    about:
      "Delete the forms under the old master key and clear OLD. There is no way back to the old master key afterwards. This asks for it; it is done once a second principal has approved.",
    send: (client, id) => client.changes.purge(id),
    until: "PURGED",
    finishedToo: true,
  },
];

export function changeVerbs(change: Command): void {
  for (const row of VERBS) {
    if (row.name === "finalize") activateCommand(change);
    const { until } = row;
    const command = oneChange(
      change,
      row.name,
      row.about,
      `claviger change ${row.name}${until === null ? "" : " --wait"}`,
    );
    (until === null ? command : withWait(command)).action(
      inSession(async (session, id: string | undefined, flags: WaitFlags) => {
        const meant = await meantChange(session.client, id, row.finishedToo);
        const taken = await row.send(session.client, meant, flags);
        const wait = until !== null && flags.wait === true;
        session.show(
          wait ? await waitShowing(session.client, taken.id, until, flags.timeout) : taken,
          changeSentence,
        );
      }),
    );
  }
}

function activateCommand(change: Command): void {
  withWait(
    oneChange(
      change,
      "activate",
      "Make NEW the CURRENT master key, unit by unit: the point of no return. It shows the registers and asks you to retype the verification pattern of NEW; scripts give --yes --vp. With --wait it waits until every KEK has been opened under the new master key on every unit.",
      "claviger change activate --wait\nclaviger change activate --yes --vp 5d1c0e9f2b7a48c3a6f1d2e3b4c5a697 --wait",
    ),
  )
    .option("--yes", "do not ask; needs --vp")
    .option("--vp <pattern>", "verification pattern of NEW, its first 16 bytes or more, in hex", typedPattern)
    .option("--override", "pass the obstacles that are overridable; needs a second principal's approval")
    .action(
      inSession(async (session, id: string | undefined, flags: ActivateFlags) => {
        const { client } = session;
        if (flags.yes !== true && !canAsk()) {
          throw new UsageError("There is no terminal to confirm the activation on.", "Give --yes and --vp.");
        }
        if (flags.yes === true && flags.vp === undefined) {
          throw new UsageError(
            "--yes needs --vp: the verification pattern that may be activated.",
            "Give --vp.",
          );
        }
        const meant = await meantChange(client, id);
        const vp =
          flags.yes === true && flags.vp !== undefined ? flags.vp : await confirmedPattern(client, meant);
        const taken = await client.changes.activate(meant, { vp, override: flags.override });
        session.show(
          flags.wait === true ? await waitShowing(client, taken.id, isVerified, flags.timeout) : taken,
          changeSentence,
        );
      }),
    );
}

function oneChange(parent: Command, name: string, about: string, example: string): Command {
  return verb(parent, name, about, example).argument("[change]", "id (default: the one that is open)");
}

function withWait(command: Command): Command {
  return command
    .option("--wait", "wait for the end of it, with a progress bar")
    .option(
      "--timeout <seconds>",
      "with --wait: give up when it stays blocked for so long (default: 30)",
      wholeNumber(0, 86_400),
    );
}
