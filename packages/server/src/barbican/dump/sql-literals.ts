/** How a dump writes text: with '' for a quote, or with \ before what is special, which MySQL does in both kinds of quotes. */
export type Quoting = "doubled" | "backslash";

export interface LineOfStatement {
  /** The text of each literal, in order. */
  readonly literals: readonly string[];
  /** Whether a `;` behind the last literal ends the statement. */
  readonly isLast: boolean;
}

/** What a letter behind \ stands for in MySQL, in PostgreSQL's E'…' and in COPY; any other stands for itself. */
const ESCAPED: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  b: "\b",
  f: "\f",
  v: "\v",
  0: "\0",
  Z: "\u001a",
};

export function withoutBackslashes(text: string): string {
  return text.includes("\\")
    ? text.replaceAll(/\\([\s\S])/g, (_, letter: string) => ESCAPED[letter] ?? letter)
    : text;
}

/** Takes one line of an INSERT apart; undefined where a literal does not end in it, or is of bytes (X'…'). */
export function readLine(line: string, quoting: Quoting): LineOfStatement | undefined {
  const quotes = quoting === "doubled" ? /'/g : /['"]/g;
  const literals: string[] = [];
  let at = 0;
  for (;;) {
    quotes.lastIndex = at;
    const open = quotes.exec(line)?.index;
    if (open === undefined) return { literals, isLast: /;\s*$/.test(line.slice(at)) };
    const prefix = /(?<![a-z0-9_])[a-z]$/i.exec(line.slice(Math.max(0, open - 2), open))?.[0].toUpperCase();
    if (prefix === "X" || prefix === "B") return undefined;
    const isEscaped = quoting === "backslash" || prefix === "E";
    const quote = line[open] ?? "";
    const close = closeOf(line, open, quote, isEscaped);
    if (close === undefined) return undefined;
    const text = line.slice(open + 1, close).replaceAll(quote + quote, quote);
    literals.push(isEscaped ? withoutBackslashes(text) : text);
    at = close + 1;
  }
}

/** Where the literal that begins at `open` ends. */
function closeOf(line: string, open: number, quote: string, isEscaped: boolean): number | undefined {
  for (let at = open + 1; at < line.length; at += 1) {
    const character = line[at];
    if (isEscaped && character === "\\") at += 1;
    else if (character === quote) {
      if (line[at + 1] !== quote) return at;
      at += 1;
    }
  }
  return undefined;
}
