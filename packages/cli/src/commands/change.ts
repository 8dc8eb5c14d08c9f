import type { Command } from "commander";
import { Option } from "commander";
import type { InGroup, PageOptions } from "../command.ts";
import {
  inSession,
  moreBehind,
  noun,
  pageOrAll,
  typedPattern,
  verb,
  wholeNumber,
  withGroup,
  withPages,
} from "../command.ts";
import { changeSentence, changeTable, changeText, planText } from "../change-text.ts";
import { meantChange } from "../open-change.ts";
import { changeVerbs } from "./change-verbs.ts";

const SEQUENCE = `
The sequence of a change; every step may be repeated, and traffic goes on all the time:
  claviger change create                 open the change
  claviger master-key generate           fill NEW of one unit with a random master key
  claviger master-key copy               copy it to the other units of the group
  claviger unit list                     compare the verification patterns
  claviger master-key commit             commit NEW on every unit: retype its pattern
  claviger change plan                   dry run: is anything in the way?
  claviger change reencipher --wait      wrap every KEK under NEW too; ends in READY
  claviger change activate --wait        NEW becomes CURRENT: the point of no return, and every KEK opened once under it
  claviger change finalize --wait        the old forms step back; ends in DONE
  claviger census                        the proof: every KEK is under the new pattern

Before activation \`cancel\` takes everything back. After it \`restore\` opens a change back to the old master key, as long
as OLD holds it. When nobody wants it back any more:
  claviger change purge                  ask for it
  claviger change approve                a second principal approves, which has it done
`;

interface CreateOptions extends InGroup {
  readonly expectedVp?: string;
  readonly freeze?: "none" | "mutations";
  readonly rowsPerSecond?: number;
}

export function changeCommands(program: Command): void {
  const change = noun(program, "change", "Master-key changes: from planning to purge").addHelpText(
    "after",
    SEQUENCE,
  );

  withGroup(
    verb(
      change,
      "create",
      "Open a master-key change from CURRENT to whatever NEW will hold. Nothing is re-enciphered yet. Only one change may be open for a group and type.",
      "claviger change create",
    ),
  )
    .option("--expected-vp <pattern>", "refuse any other target than the one with this pattern", typedPattern)
    .addOption(
      new Option("--freeze <what>", "refuse to create and rotate while re-enciphering").choices([
        "none",
        "mutations",
      ]),
    )
    .option("--rows-per-second <number>", "re-encipher no faster than this", wholeNumber(1, 1_000_000))
    .action(
      inSession(async (session, { group, type, expectedVp, freeze, rowsPerSecond }: CreateOptions) => {
        const created = await session.client.changes.create({
          group,
          type,
          expectedVp,
          freeze,
          rowsPerSecond,
        });
        session.show(created, changeSentence);
      }),
    );

  withGroup(
    verb(
      change,
      "plan",
      "Show what a change would meet. It opens a sample of the KEKs, counts the rest, and names every obstacle with what to do about it; it changes nothing.",
      "claviger change plan",
    ),
  ).action(
    inSession(async (session, { group, type }: InGroup) => {
      session.show(await session.client.changes.plan({ group, type }), planText);
    }),
  );

  withPages(verb(change, "list", "List the changes, the newest first.", "claviger change list")).action(
    inSession(async (session, options: PageOptions) => {
      const { changes } = session.client;
      const page = await pageOrAll(
        options,
        (query) => changes.list(query),
        () => changes.all(),
      );
      session.show(page, ({ items, next }) => changeTable(items) + moreBehind(next));
    }),
  );

  verb(
    change,
    "show",
    "Show a change: its state, what it waits for, its progress, the KEKs that failed, its history, and the next step.",
    "claviger change show",
  )
    .argument("[change]", "id (default: the one that is open, else the last one)")
    .action(
      inSession(async (session, id: string | undefined) => {
        session.show(
          await session.client.changes.get(await meantChange(session.client, id, true)),
          changeText,
        );
      }),
    );

  changeVerbs(change);
}
