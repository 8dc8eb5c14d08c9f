import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { allCommands, commandTree } from "../../packages/cli/src/command-tree.ts";
import { SHELLS, completionScript } from "../../packages/cli/src/completion.ts";
import { buildProgram } from "../../packages/cli/src/program.ts";

const tree = commandTree(buildProgram());

/** What bash itself makes of a command line whose last word is being typed. */
function completedByBash(...words: string[]): string[] {
  const typed = words.map((word) => `'${word}'`).join(" ");
  const lines = [
    completionScript("bash", tree),
    "compopt() { echo files; }", // bash has it only while it completes
    `COMP_WORDS=(${typed}); COMP_CWORD=${words.length - 1}`,
    `_claviger; printf '%s\\n' "\${COMPREPLY[@]}"`,
  ];
  const { stdout, stderr, status } = spawnSync("bash", ["-eu"], {
    input: lines.join("\n"),
    encoding: "utf8",
  });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout.split("\n").filter((line) => line !== "");
}

describe("completion in bash", () => {
  it.each<[string[], string[]]>([
    [["claviger", "proj"], ["project"]],
    [
      ["claviger", "project", ""],
      ["create", "list", "--help"],
    ],
    [["claviger", "change", "act"], ["activate"]],
    [["claviger", "change", "activate", "--v"], ["--vp"]],
    [["claviger", "unit", "show", "01.0001", "--js"], ["--json"]],
    [["claviger", "status", "--addr", "http://a", "--j"], ["--json"]],
    [
      ["claviger", "census", "--type", "A"],
      ["ASYM", "AES", "APKA"],
    ],
    [
      ["claviger", "completion", ""],
      ["bash", "zsh", "fish", "--help"],
    ],
    [["claviger", "encrypt", "--in", ""], ["files"]],
    [["claviger", "status", "--ca", "x"], ["files"]],
    [["claviger", "encrypt", "--project", ""], []],
    [["claviger", "nonsense", "proj"], ["project"]],
  ])("%j is completed by %j", (words, completions) => {
    expect(completedByBash(...words)).toEqual(completions);
  });
});

describe.each(SHELLS)("the script for %s", (shell) => {
  const script = completionScript(shell, tree);

  it("knows every command and every option", () => {
    for (const { path, options } of allCommands(tree)) {
      expect(script).toContain(path.join(" "));
      for (const { names } of options) {
        const long = names.at(-1) ?? "";
        expect(script, path.join(" ")).toContain(shell === "fish" ? `-l ${long.slice(2)}` : long);
      }
    }
  });

  it("leaves no quote open", () => {
    const escaped = shell === "fish" ? script.replaceAll(String.raw`\'`, "") : script.replaceAll(`'\\''`, "");
    for (const line of escaped.split("\n")) expect(line.split("'").length % 2, line).toBe(1);
  });
});
