import { UnknownHandle } from "./host/outcomes.ts";

/**
 * What a unit host has opened, by the numbers that the daemon gave: bounded, and the one used longest ago makes room. A
 * number that is not here is opened anew by the daemon, so dropping one loses nothing.
 */
export class HandleTable<Opened> {
  readonly #opened = new Map<number, Opened>();
  readonly #limit: number;
  readonly #close: (opened: Opened) => void;

  constructor(limit: number, close: (opened: Opened) => void) {
    this.#limit = limit;
    this.#close = close;
  }

  /** @throws UnknownHandle. */
  get(number: number): Opened {
    const opened = this.#opened.get(number);
    if (opened === undefined) throw new UnknownHandle();
    this.#opened.delete(number);
    this.#opened.set(number, opened);
    return opened;
  }

  /** Opens what is not open yet. */
  open(number: number, open: () => Opened): void {
    if (this.#opened.has(number)) return;
    for (const oldest of this.#opened.keys()) {
      if (this.#opened.size < this.#limit) break;
      this.close(oldest);
    }
    this.#opened.set(number, open());
  }

  close(number: number): void {
    const opened = this.#opened.get(number);
    if (opened === undefined) return;
    this.#opened.delete(number);
    this.#close(opened);
  }

  /** Their objects are gone with their session. */
  lost(): void {
    this.#opened.clear();
  }
}
