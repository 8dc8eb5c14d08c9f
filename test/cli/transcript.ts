/**
 * Transcripts of the command line, as docs show them:
 *
 *     # a comment
 *     $ claviger project create billing       a command, run by sh in a folder of the transcript's own
 *     Created project billing ({{uuid:id}}).  what it writes to stdout, every line of it
 *     ! claviger: …                           what it writes to stderr
 *     [exit 4]                                its exit status, where it is not 0
 *
 * Nothing below a command means that it is silent. Blank lines before a command are no output. In expected lines:
 * {{uuid}} {{vp}} (64 hex digits) {{vp16}} (32) {{time}} {{number}} {{base64}} {{any}} match what they say; with a name
 * behind a colon they keep it, and {{name}} stands for it in every later command and line. A line `...` matches any
 * number of lines. Two or more blanks match two or more, since columns are as wide as what is in them.
 */
export interface Step {
  /** Line of the command in its file, from 1. */
  readonly line: number;
  readonly command: string;
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  readonly exit: number;
}

export function parseTranscript(text: string): Step[] {
  const steps: Step[] = [];
  let step: { line: number; command: string; stdout: string[]; stderr: string[]; exit: number } | null = null;
  for (const [nth, line] of text.split("\n").entries()) {
    if (line.startsWith("$ ")) {
      step = { line: nth + 1, command: line.slice(2), stdout: [], stderr: [], exit: 0 };
      steps.push(step);
    } else if (step === null || line.startsWith("# ")) {
      if (step === null && line !== "" && !line.startsWith("# "))
        throw new Error(`line ${nth + 1} belongs to no command`);
    } else if (/^\[exit \d+\]$/.test(line)) step.exit = Number(line.slice(6, -1));
    else if (line === "!" || line.startsWith("! ")) step.stderr.push(line.slice(2));
    else step.stdout.push(line);
  }
  return steps;
}

const PLACEHOLDERS: Readonly<Record<string, string>> = {
  uuid: "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
  vp: "[0-9a-f]{64}",
  vp16: "[0-9a-f]{32}",
  time: String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z`,
  number: String.raw`[\d,.]+`,
  base64: "[A-Za-z0-9+/]+={0,2}",
  any: ".*",
};

/** Puts the values that were kept in the place of their names. */
export function withKept(text: string, kept: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\{\{(\w+)\}\}/g, (whole, name: string) => kept.get(name) ?? whole);
}

/** What the output has for the names in the expected lines, or null where it is not what was expected. */
export function match(
  expected: readonly string[],
  output: string,
  kept: ReadonlyMap<string, string>,
): Map<string, string> | null {
  const pattern = withoutBlankEnd(expected)
    .map((line) => (line === "..." ? "(?:.*\\n)*?" : `${linePattern(withKept(line, kept))}\\n`))
    .join("");
  const found = new RegExp(`^${pattern}$`, "u").exec(
    withoutBlankEnd(output.split("\n"))
      .map((line) => `${line}\n`)
      .join(""),
  );
  return found === null ? null : new Map(Object.entries(found.groups ?? {}));
}

function linePattern(line: string): string {
  return line
    .split(/(\{\{\w+(?::\w+)?\}\}| {2,})/)
    .map((piece) => {
      if (/^ {2,}$/.test(piece)) return " {2,}";
      const [, kind = "", name] = /^\{\{(\w+)(?::(\w+))?\}\}$/.exec(piece) ?? [];
      const placeholder = PLACEHOLDERS[kind];
      if (kind === "") return RegExp.escape(piece);
      if (placeholder === undefined) return String.raw`\k<${kind}>`; // kept by this very output
      return name === undefined ? `(?:${placeholder})` : `(?<${name}>${placeholder})`;
    })
    .join("");
}

function withoutBlankEnd(lines: readonly string[]): string[] {
  return lines.slice(0, lines.findLastIndex((line) => line !== "") + 1);
}
