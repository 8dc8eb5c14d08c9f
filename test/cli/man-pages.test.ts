import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { commandTree } from "../../packages/cli/src/command-tree.ts";
import { manPage } from "../../packages/cli/src/man-page.ts";
import { buildProgram } from "../../packages/cli/src/program.ts";

const GENERATOR = fileURLToPath(new URL("../../scripts/generate-man-pages.mjs", import.meta.url));

describe.each(["claviger.1", "clavigerd.8"])("docs/man/%s", (name) => {
  const committed = readFileSync(new URL(`../../docs/man/${name}`, import.meta.url), "utf8");

  it("is what scripts/generate-man-pages.mjs writes", () => {
    const { stdout, stderr } = spawnSync(process.execPath, [GENERATOR, "--print", name], {
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect(committed).toBe(stdout);
  });

  it("has only requests that man(7) knows, and none by accident", () => {
    const requests = committed.split("\n").flatMap((line) => /^[.'](\S*)/.exec(line)?.[1] ?? []);
    expect([...new Set(requests)].sort()).toEqual(
      ["B", "I", "PP", "RE", "RS", "SH", "SS", "TH", "TP", '\\"', "fi", "nf"].sort(),
    );
  });
});

it("text that looks like roff is shown as it is", () => {
  const root = {
    ...commandTree(buildProgram()),
    commands: [],
    options: [],
    about: '.so /etc/passwd\n\'\\n "a" `b-c`',
  };
  const page = manPage({
    root,
    section: 1,
    name: "x",
    exampleOf: () => undefined,
    environment: [],
    files: [],
    seeAlso: [],
  });
  expect(page).toContain("\n\\&.so /etc/passwd\n\\&'\\en \\(dqa\\(dq b\\-c\n");
});
