import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * What a document tells its reader to do. In a fenced block `console` each line that begins with `$ ` is a command (it
 * goes on behind a backslash), and what follows is what it prints. A block `ts` is a program, and a block `sql` is for the
 * administrator of a PostgreSQL server. Between blocks `<!-- the reader stops the daemon -->` stands for Ctrl-C in the daemon's
 * terminal, and `<!-- the reader has a Barbican -->` for one whose barbican.conf is in the reader's folder.
 */
export type Step =
  | {
      readonly do: "type";
      readonly line: number;
      readonly command: string;
      readonly shown: readonly string[];
    }
  | { readonly do: "run"; readonly line: number; readonly program: string }
  | { readonly do: "query"; readonly line: number; readonly statements: readonly string[] }
  | { readonly do: "between"; readonly line: number; readonly what: "stop the daemon" | "have a Barbican" };

const BETWEEN = {
  "<!-- the reader stops the daemon -->": "stop the daemon",
  "<!-- the reader has a Barbican -->": "have a Barbican",
} as const;

/** Every document of the project, by its path from the root. */
export function documents(): string[] {
  const found = globSync(["*.md", "docs/**/*.md"], { cwd: ROOT });
  return found.map((path) => path.replaceAll("\\", "/")).sort();
}

export function textOf(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

export function stepsOf(text: string): Step[] {
  const steps: Step[] = [];
  for (const { language, line, lines } of blocksOf(text)) {
    if (language === "ts") steps.push({ do: "run", line, program: lines.join("\n") });
    if (language === "sql") steps.push({ do: "query", line, statements: lines.join("\n").split(/;$/m) });
    if (language === "console") steps.push(...typedIn(lines, line + 1));
  }
  for (const [nth, line] of text.split("\n").entries())
    if (isBetween(line)) steps.push({ do: "between", line: nth + 1, what: BETWEEN[line] });
  return steps.sort((a, b) => a.line - b.line);
}

function isBetween(line: string): line is keyof typeof BETWEEN {
  return Object.hasOwn(BETWEEN, line);
}

interface Block {
  readonly language: string;
  /** Line of the fence, from 1. */
  readonly line: number;
  readonly lines: readonly string[];
}

function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let open: { language: string; line: number; lines: string[] } | undefined;
  for (const [nth, line] of text.split("\n").entries()) {
    const fence = /^```(\w*)$/.exec(line);
    if (fence && open) {
      blocks.push(open);
      open = undefined;
    } else if (fence) open = { language: fence[1] ?? "", line: nth + 1, lines: [] };
    else open?.lines.push(line);
  }
  return blocks;
}

function typedIn(lines: readonly string[], firstLine: number): Step[] {
  const steps: { do: "type"; line: number; command: string; shown: string[] }[] = [];
  for (const [nth, line] of lines.entries()) {
    const last = steps.at(-1);
    if (line.startsWith("$ "))
      steps.push({ do: "type", line: firstLine + nth, command: line.slice(2), shown: [] });
    else if (last?.command.endsWith("\\") && last.shown.length === 0)
      last.command = last.command.slice(0, -1) + line.trimStart();
    else last?.shown.push(line);
  }
  return steps;
}

/** The text without fenced blocks: what is prose, tables and inline code. */
export function proseOf(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```$/gm, "");
}

/** Inline code, as it stands between backticks. */
export function inlineCodeOf(text: string): string[] {
  return [...proseOf(text).matchAll(/`([^`\n]+)`/g)].map(([, code]) => code ?? "");
}

/** Targets of links to places in the project. */
export function linksOf(text: string): string[] {
  const targets = [...proseOf(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? "");
  return targets.filter((target) => !/^[a-z]+:/.test(target));
}

/** The anchors of a document, as forges make them from its headings. */
export function anchorsOf(text: string): Set<string> {
  const headings = [...proseOf(text).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading ?? "");
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}
