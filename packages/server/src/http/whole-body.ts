import { IncomingMessage } from "node:http";

/**
 * A request whose body can be taken whole, as node:http hands it on, instead of as a stream: for a short body the stream's
 * own turns of the event loop cost more than to parse the request. Until `takeBody` it is a request like any other.
 */
export class WholeBodyRequest extends IncomingMessage {
  #take: ((body: Buffer) => void) | undefined;
  #lengthBytes = 0;
  #received: Buffer | undefined;

  /**
   * Gives the whole body to `take`, once; nothing of one that ends early. node:http lets no more of it through than
   * `content-length` says, which is `lengthBytes`, more than 0. Nothing of the stream may have been asked for before.
   */
  takeBody(lengthBytes: number, take: (body: Buffer) => void): void {
    this.#lengthBytes = lengthBytes;
    this.#take = take;
    // Says that somebody reads, or the server would drop what it takes for unread once the reply is out.
    this.read(0);
  }

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    const take = this.#take;
    if (take === undefined) return super.push(chunk, encoding);
    if (!Buffer.isBuffer(chunk)) return true;
    const received = this.#received === undefined ? chunk : Buffer.concat([this.#received, chunk]);
    this.#received = received;
    if (received.byteLength === this.#lengthBytes) take(received);
    return true;
  }
}
