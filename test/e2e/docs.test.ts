import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { commandTree, isVerb } from "../../packages/cli/src/command-tree.ts";
import { buildProgram } from "../../packages/cli/src/program.ts";
import { KEY_NAMES, variableOf } from "../../packages/server/src/ops/config-keys.ts";
import { createMetrics } from "../../packages/server/src/ops/metrics.ts";
import { buildProgram as buildDaemonProgram } from "../../packages/server/src/program.ts";
import { isWithout } from "../set-up/without.ts";
import { ROOT, anchorsOf, documents, inlineCodeOf, linksOf, proseOf, stepsOf, textOf } from "./document.ts";
import { Reader } from "./reader.ts";

type Command = ReturnType<typeof buildProgram>;

/** Documents that others keep in step with the code, or that speak of other programs. */
const GENERATED = ["docs/errors.md"];
const OURS = documents().filter((path) => !GENERATED.includes(path));

const SOURCE = globSync(
  ["packages/*/src/**/*.ts", "scripts/*.mjs", "package.json", "packages/*/package.json", ".*.cjs"],
  { cwd: ROOT },
)
  .filter((path) => !path.endsWith(".test.ts"))
  .map((path) => readFileSync(join(ROOT, path), "utf8"))
  // Variables of the configuration are made from the names of its keys.
  .concat(KEY_NAMES.map((name) => `${variableOf(name)}_FILE`))
  .join("\n");

describe("a reader who does what it says", () => {
  for (const path of OURS.filter((each) => stepsOf(textOf(each)).length > 0)) {
    const steps = stepsOf(textOf(path));
    const needsServer = steps.some((step) => step.do === "query");
    const needsToken = steps.some((step) => step.do === "type" && step.command.startsWith("softhsm2-util "));
    const needsBarbican = steps.some((step) => step.do === "between" && step.what === "have a Barbican");
    const lacks = (needs: boolean, what: string) => needs && isWithout(what);
    it.skipIf(
      lacks(needsServer, "postgresql") || lacks(needsToken, "softhsm2") || lacks(needsBarbican, "nss"),
    )(
      `gets what ${path} shows`,
      async () => {
        await using reader = new Reader();
        for (const step of steps) {
          await expect(reader.follow(step), `${path}:${step.line}`).resolves.toBeUndefined();
        }
      },
      180_000,
    );
  }
});

describe.each(OURS)("%s", (path) => {
  const text = textOf(path);

  it("links to what is there", () => {
    const broken = linksOf(text).filter((link) => {
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : join(dirname(path), file);
      if (!existsSync(join(ROOT, target))) return true;
      return anchor !== undefined && !anchorsOf(textOf(target)).has(anchor);
    });
    expect(broken).toEqual([]);
  });

  it.each([
    { name: "claviger", program: buildProgram() },
    { name: "clavigerd", program: buildDaemonProgram(async () => undefined) },
  ])("names commands and options that $name has", ({ name, program }) => {
    const typed = stepsOf(text).flatMap((step) => (step.do === "type" ? [step.command] : []));
    const named = [...inlineCodeOf(text), ...typed].flatMap((code) => [
      ...code.matchAll(new RegExp(`(?:^|\\bnpx )${name} ([a-z][^|>;]*)`, "g")),
    ]);
    expect(named.map(([, words]) => words ?? "").filter((words) => !isCommand(program, words))).toEqual([]);
  });

  it("names files that are there", () => {
    const folders = ["", "packages/server/src/", "packages/server/src/core/"];
    const places = /^(?:packages|core|store|units|protocols|http|ops|test|docs|scripts|bench|demo)\/\S*$/;
    const ofTheProject = inlineCodeOf(text).filter(
      (code) => places.test(code) && /\/$|\.(?:ts|mjs|md|json)$/.test(code),
    );
    expect(
      ofTheProject.filter((file) => !folders.some((folder) => existsSync(join(ROOT, folder, file)))),
    ).toEqual([]);
  });

  it("names codes, variables and words that the source has", () => {
    const words = inlineCodeOf(text).filter((code) => /^[a-z]+(?:-[a-z]+)+$|^CLAVIGER_[A-Z_]+$/.test(code));
    expect(words.filter((word) => !SOURCE.includes(word))).toEqual([]);
  });

  it("names metrics that /metrics has", async () => {
    const nothing = { keksByPattern: [], registers: [], units: [], changes: [], changeKeks: [] };
    const metrics = await createMetrics({ version: "0", collect: () => nothing }).text();
    const named = [...text.matchAll(/\bclaviger_[a-z_]+/g)].map(([name]) => name);
    expect(named.filter((name) => !metrics.includes(`# TYPE ${name.replace(/_bucket$/, "")} `))).toEqual([]);
  });
});

describe("docs/master-key-change.md", () => {
  const prose = proseOf(textOf("docs/master-key-change.md")).replaceAll(/\s+/g, " ").replaceAll("`", "");

  it("explains everything that may stand in the way of a change", () => {
    const files = ["next-step.ts", "obstacles.ts"].map((file) =>
      join(ROOT, "packages/server/src/core/master-key-change", file),
    );
    const sentences = files.flatMap((file) => sentencesOf(readFileSync(file, "utf8")));
    expect(sentences.length).toBeGreaterThan(15);
    expect(sentences.filter((sentence) => !prose.includes(sentence))).toEqual([]);
  });
});

/** True if the words begin with a command, and every option in them is one that it has. */
function isCommand(program: Command, words: string): boolean {
  let command = program;
  for (const word of words.trim().split(/\s+/)) {
    const next = command.commands.find((candidate) => candidate.name() === word);
    if (next) command = next;
    else if (word.startsWith("--")) {
      const name = word.split("=")[0];
      if (name !== "--help" && !command.options.some((option) => option.long === name)) return false;
    } else if (!isVerb(commandTree(command))) return false;
  }
  return command !== program;
}

/** Of each sentence that an operator may be shown, the longest clause between its values. */
function sentencesOf(source: string): string[] {
  const literals = [
    ...source.matchAll(/(?:reason: |obstacle\(\s*|what: )(?:`((?:[^`\\]|\\.)+)`|"([^"]+)")/g),
  ];
  return literals.map(([, template, plain]) => {
    const clauses = (template ?? plain ?? "").replaceAll("\\`", "").split(/\$\{[^}]*\}|[:;()]/);
    return clauses.map((clause) => clause.trim()).toSorted((a, b) => b.length - a.length)[0] ?? "";
  });
}
