import { note, paint, plain } from "./terminal.ts";

const REDRAW_MS = 100;
const LINE_MS = 2000;
const BAR_WIDTH = 24;

/** How far something is; `total` is null where nobody knows. */
export interface Progress {
  readonly what: string;
  readonly done: number;
  readonly total: number | null;
  readonly detail: string;
}

/** Progress on stderr: a bar that is drawn over and over on a terminal, elsewhere a line every two seconds or so. */
export class ProgressLine {
  readonly #onTerminal = process.stderr.isTTY;
  #shownAt = Number.NEGATIVE_INFINITY;
  #shown = "";

  /** Shows the progress, unless it was shown a moment ago. */
  update(progress: Progress): void {
    const now = performance.now();
    if (now - this.#shownAt < (this.#onTerminal ? REDRAW_MS : LINE_MS)) return;
    this.#shownAt = now;
    this.#show(progress);
  }

  /** Shows the last state of it, however short ago another one was shown, and goes on to a new line. */
  finish(progress: Progress): void {
    this.#show(progress);
    if (this.#onTerminal) process.stderr.write("\n");
  }

  /** A line that stays. */
  say(text: string): void {
    this.clear();
    note(plain(text));
  }

  /** Takes the bar away. */
  clear(): void {
    if (this.#onTerminal && this.#shown !== "") process.stderr.write("\r\u001b[K");
    this.#shownAt = Number.NEGATIVE_INFINITY;
  }

  #show(progress: Progress): void {
    const text = this.#onTerminal ? withBar(progress) : inWords(progress);
    if (this.#onTerminal)
      process.stderr.write(`\r\u001b[K${text.slice(0, Math.max(process.stderr.columns - 1, 40))}`);
    else if (text !== this.#shown) note(text);
    this.#shown = text;
  }
}

function share({ done, total }: Progress): number | null {
  if (total === null) return null;
  return total === 0 ? 1 : Math.min(done / total, 1);
}

function inWords(progress: Progress): string {
  const part = share(progress);
  return [progress.what, part === null ? null : percent(part), plain(progress.detail)]
    .filter((piece) => piece !== null && piece !== "")
    .join("  ");
}

function withBar(progress: Progress): string {
  const part = share(progress);
  if (part === null) return inWords(progress);
  const full = Math.floor(part * BAR_WIDTH);
  const bar = "█".repeat(full) + "░".repeat(BAR_WIDTH - full);
  return `${progress.what}  ${paint("green", bar, process.stderr)}  ${percent(part)}  ${plain(progress.detail)}`;
}

/** Rounded down: 100 % means all of it. */
function percent(part: number): string {
  return `${Math.floor(part * 100)} %`.padStart(5);
}
