import { describe, expect, it } from "vitest";
import { allCommands, commandTree, isVerb } from "../../packages/cli/src/command-tree.ts";
import { exampleOf } from "../../packages/cli/src/command.ts";
import { buildProgram } from "../../packages/cli/src/program.ts";
import { buildProgram as buildDaemonProgram } from "../../packages/server/src/program.ts";
import { VERBS } from "../../packages/server/src/verbs/table.ts";

/* Help that teaches: every command says in a sentence what it is for, and shows a command line that is one. */

type Command = ReturnType<typeof buildProgram>;

const HANDED_ON = /\(by clavigerd\)$/;

interface Taught {
  readonly name: string;
  readonly about: string;
  readonly summary: string;
  readonly example: string | undefined;
  readonly build: () => Command;
}

const ofClaviger = allCommands(commandTree(buildProgram()))
  .filter((node) => isVerb(node) && !HANDED_ON.test(node.summary))
  .map(({ path, about, summary }): Taught => {
    const example = exampleOf(commandAt(buildProgram(), path.slice(1)));
    return { name: path.join(" "), about, summary, example, build: buildProgram };
  });

const ofClavigerd = VERBS.map(({ words, about, example }): Taught => ({
  name: ["clavigerd", ...words].join(" "),
  about,
  summary: about,
  example,
  build: () => buildDaemonProgram(async () => undefined),
}));

describe.each([...ofClaviger, ...ofClavigerd])("$name", ({ name, about, summary, example, build }) => {
  it("says what it is for, in sentences", () => {
    expect(about).toMatch(/^[A-Z].*[.)]$/s);
    expect(summary.length).toBeGreaterThan(5);
  });

  it("has an example of itself that it takes", async () => {
    const lines = (example ?? "").split("\n").flatMap((line) => /\bclavigerd? [^|<>()]*/.exec(line) ?? []);
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      expect(line.startsWith(name)).toBe(true);
      const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
      await expect(idle(build()).parseAsync(words.slice(1), { from: "user" }), line).resolves.toBeDefined();
    }
  });
});

it("the help of each program has the exit statuses and first steps", () => {
  for (const program of [buildProgram(), buildDaemonProgram(async () => undefined)]) {
    let shown = "";
    program.configureOutput({ writeOut: (text) => (shown += text) }).outputHelp();
    expect(shown).toMatch(/Exit status: 0 done, 1 failed, 2 usage, 3 .*, 4 conflict, 5 blocked, 6 /);
    expect(shown).toMatch(/First steps:\n {2}claviger/);
  }
});

function commandAt(program: Command, words: readonly string[]): Command {
  return words.reduce((command, word) => {
    const next = command.commands.find((candidate) => candidate.name() === word);
    if (next === undefined) throw new Error(`${command.name()} has no ${word}`);
    return next;
  }, program);
}

/** The program with commands that check their command line and do nothing. */
function idle(program: Command): Command {
  for (const command of program.commands) {
    if (isVerb(commandTree(command))) command.action(() => undefined);
    idle(command);
  }
  return program;
}
