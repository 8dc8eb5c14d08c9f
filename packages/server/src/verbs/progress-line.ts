import { count } from "./output.ts";

/*
 * How far a long verb is, on stderr: a line that is drawn over and over on a terminal, elsewhere one every ten seconds.
 */

const REDRAW_MS = 100;
const LINE_MS = 10_000;
const BAR_WIDTH = 24;
/** The rate is that of the last seconds. */
const RATE_OVER_MS = 5_000;

export class ProgressLine {
  readonly #onTerminal = process.stderr.isTTY;
  readonly #what: string;
  readonly #total: number;
  #shownMs = Number.NEGATIVE_INFINITY;
  #isDrawn = false;
  #past: { readonly atMs: number; readonly done: number }[] = [{ atMs: performance.now(), done: 0 }];

  constructor(what: string, total: number) {
    this.#what = what;
    this.#total = total;
    if (!this.#onTerminal) this.#shownMs = performance.now();
  }

  update(done: number, detail = ""): void {
    const nowMs = performance.now();
    if (nowMs - this.#shownMs < (this.#onTerminal ? REDRAW_MS : LINE_MS)) return;
    this.#shownMs = nowMs;
    const text = this.#text(done, detail, this.#rate(nowMs, done));
    process.stderr.write(this.#onTerminal ? `\r\u001b[K${text.slice(0, columns() - 1)}` : `${text}\n`);
    this.#isDrawn = true;
  }

  /** Takes the line away; what was said on no terminal stays. */
  clear(): void {
    if (this.#onTerminal && this.#isDrawn) process.stderr.write("\r\u001b[K");
  }

  #rate(nowMs: number, done: number): number {
    const [first = { atMs: nowMs, done }] = this.#past;
    this.#past.push({ atMs: nowMs, done });
    this.#past = this.#past.filter(({ atMs }) => nowMs - atMs <= RATE_OVER_MS);
    const seconds = (nowMs - first.atMs) / 1000;
    return seconds <= 0 ? 0 : (done - first.done) / seconds;
  }

  #text(done: number, detail: string, rate: number): string {
    const share = this.#total === 0 ? 1 : Math.min(done / this.#total, 1);
    const full = Math.floor(share * BAR_WIDTH);
    const bar = this.#onTerminal ? `${"█".repeat(full)}${"░".repeat(BAR_WIDTH - full)}  ` : "";
    const left = rate > 0 ? `, ${duration((this.#total - done) / rate)} left` : "";
    const pieces = [
      this.#what,
      `${bar}${String(Math.floor(share * 100)).padStart(3)} %`,
      `${count(done)} of ${count(this.#total)}`,
      `${count(Math.round(rate))}/s${left}`,
      detail,
    ];
    return pieces.filter((piece) => piece !== "").join("  ");
  }
}

/** 0 where the terminal does not know. */
function columns(): number {
  return process.stderr.columns === 0 ? 80 : Math.max(process.stderr.columns, 40);
}

function duration(seconds: number): string {
  const whole = Math.max(Math.ceil(seconds), 0);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.ceil(whole / 60)} min`;
  return `${Math.floor(whole / 3600)} h ${Math.ceil((whole % 3600) / 60)} min`;
}
