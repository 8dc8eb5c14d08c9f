const REDRAW_MS = 100;
const LINE_MS = 2_000;
const BAR_WIDTH = 24;

/** Progress of one piece of work. */
export interface Step {
  update(done: number, total: number): void;
  finish(done: number, total: number, detail?: string): void;
}

/** What the demo tells on stderr while it runs: a bar on a terminal, elsewhere a line every two seconds. */
export class Progress {
  readonly #onTerminal = process.stderr.isTTY;
  #barShown = false;

  say(text: string): void {
    this.#clear();
    process.stderr.write(`${text}\n`);
  }

  /** Work that is counted; shows its rate and the time that is left. */
  step(label: string): Step {
    const startedMs = performance.now();
    let shownMs = this.#onTerminal ? 0 : startedMs;
    return {
      update: (done, total) => {
        const nowMs = performance.now();
        if (nowMs - shownMs < (this.#onTerminal ? REDRAW_MS : LINE_MS)) return;
        shownMs = nowMs;
        const text = `${label}  ${bar(done, total)}  ${rateAndRest(done, total, nowMs - startedMs)}`;
        if (this.#onTerminal) this.#draw(text);
        else this.say(text);
      },
      finish: (done, total, detail) => {
        const said = detail ?? rate(done, performance.now() - startedMs);
        this.say(`${label}  ${bar(done, total)}  ${said}`);
      },
    };
  }

  #draw(text: string): void {
    process.stderr.write(`\r\u001b[K${text.slice(0, Math.max(process.stderr.columns - 1, 40))}`);
    this.#barShown = true;
  }

  #clear(): void {
    if (this.#barShown) process.stderr.write("\r\u001b[K");
    this.#barShown = false;
  }
}

function bar(done: number, total: number): string {
  const part = total === 0 ? 1 : Math.min(done / total, 1);
  const full = Math.floor(part * BAR_WIDTH);
  const percent = `${Math.floor(part * 100)} %`.padStart(5);
  return `${"█".repeat(full)}${"░".repeat(BAR_WIDTH - full)} ${percent}  ${count(done)} of ${count(total)}`;
}

function rateAndRest(done: number, total: number, elapsedMs: number): string {
  if (done === 0) return "";
  const restSeconds = Math.ceil(((total - done) * elapsedMs) / done / 1000);
  return `${rate(done, elapsedMs)}, ${restSeconds} s left`;
}

function rate(done: number, elapsedMs: number): string {
  return `${count((done * 1000) / Math.max(elapsedMs, 1))} a second`;
}

export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
