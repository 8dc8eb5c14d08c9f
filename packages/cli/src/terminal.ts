import { createInterface } from "node:readline/promises";
import { styleText } from "node:util";
import type { Report } from "./exit-status.ts";
import { UsageError } from "./exit-status.ts";

/**
 * Everything that people see. Results go to stdout; progress, prompts and errors go to stderr. Colours appear only on a
 * terminal and without NO_COLOR. What comes from the service is stripped of control characters before it is shown.
 */
type Colour = "red" | "green" | "yellow" | "dim" | "bold";

// A reader that has seen enough (`| head`) is no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
}

/** Writes lines to stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes a line to stderr: what is not the result. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Writes bytes to stdout as they are. */
export function printBytes(bytes: Uint8Array): void {
  process.stdout.write(bytes);
}

/** One JSON document; bytes in it are base64, as in the API. */
export function printJson(value: unknown, toText: (bytes: Uint8Array) => string): void {
  print(
    JSON.stringify(value, (_, inner: unknown) => (inner instanceof Uint8Array ? toText(inner) : inner), 2),
  );
}

/** `claviger: what happened`, then what to do; with `json` the error object in a line of its own behind it. */
export function printReport(report: Report, json: boolean): void {
  note(`${paint("red", "claviger:", process.stderr)} ${plain(report.message, "\n")}`);
  note(`  → ${plain(report.advice)}`);
  if (report.category === "internal" && report.requestId !== null)
    note(`  request id: ${plain(report.requestId)}`);
  if (json) note(JSON.stringify({ error: report }));
}

/** Text without control characters, but for those that are named. */
export function plain(text: string, allowed = ""): string {
  return text.replace(/\p{Cc}/gu, (control) => (allowed.includes(control) ? control : "\u{fffd}"));
}

export function paint(colour: Colour, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(colour, text, { stream });
}

/** A table with a heading; columns of numbers stand to the right. An empty table is the sentence `none`. */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  none: string,
): string {
  if (rows.length === 0) return none;
  const cells = [heading, ...rows.map((row) => row.map((cell) => plain(cell)))];
  const widths = heading.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? "").length)));
  const numeric = heading.map((_, column) => rows.every((row) => /^[\d,]*$/.test(row[column] ?? "")));
  const lines = cells.map((row) =>
    widths
      .map((width, column) =>
        numeric[column] === true ? (row[column] ?? "").padStart(width) : (row[column] ?? "").padEnd(width),
      )
      .join("  ")
      .trimEnd(),
  );
  const [first = "", ...rest] = lines;
  return [paint("dim", first), ...rest].join("\n");
}

/** Names and values, one pair a line; a value of several lines stays in its column. */
export function fields(pairs: readonly (readonly [name: string, value: string | null])[]): string {
  const shown = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== null);
  const width = Math.max(...shown.map(([name]) => name.length));
  const indent = `\n${" ".repeat(width + 2)}`;
  return shown
    .map(([name, value]) => `${name.padEnd(width)}  ${plain(value, "\n").replaceAll("\n", indent)}`)
    .join("\n");
}

/** 20000 as `20,000`. */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** Whether someone sits there to be asked. */
export function canAsk(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY;
}

/** Asks for one line on the terminal. Refused as a usage error when the input ends instead. */
export async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const ended = new Promise<never>((_, reject) => {
      lines.once("close", () =>
        reject(new UsageError("Nothing was typed, so nothing was done.", "Run the command again.")),
      );
    });
    return (await Promise.race([lines.question(question), ended])).trim();
  } finally {
    lines.removeAllListeners("close");
    lines.close();
  }
}
