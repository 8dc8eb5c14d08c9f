import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const PATH = "/callback";
const HEADERS = {
  "content-type": "text/plain; charset=utf-8",
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  connection: "close",
} as const;

/**
 * Receives the browser that comes back from the issuer, on a port of the loopback interface that is free (RFC 8252
 * §7.3). What does not bear the state of this sign-in is answered with 400 and changes nothing: any page in the browser
 * can call this port.
 */
export class LoopbackRedirect implements Disposable {
  /** Where the issuer has to send the browser. */
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${PATH}`;
  }

  static async listen(): Promise<LoopbackRedirect> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new LoopbackRedirect(server);
  }

  /** The address with which the browser came back, with its query. Rejects with the reason of `signal`. */
  async comeBack(state: string, signal: AbortSignal): Promise<URL> {
    const back = Promise.withResolvers<URL>();
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      const url = URL.parse(request.url ?? "", this.url);
      const isIt =
        request.method === "GET" && url?.pathname === PATH && url.searchParams.get("state") === state;
      if (isIt) {
        response.writeHead(200, HEADERS).end("Go back to the terminal; this page can be closed.\n");
        back.resolve(url);
      } else response.writeHead(400, HEADERS).end("This is not the sign-in that claviger waits for.\n");
    };
    const onAbort = (): void => back.reject(signal.reason as Error);
    this.#server.on("request", onRequest);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await back.promise;
    } finally {
      this.#server.off("request", onRequest);
      signal.removeEventListener("abort", onAbort);
    }
  }

  [Symbol.dispose](): void {
    this.#server.close();
    this.#server.closeIdleConnections();
  }
}
