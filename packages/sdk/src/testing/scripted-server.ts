import * as http from "node:http";
import type { AddressInfo } from "node:net";

/** What the server was asked. */
export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** Answers one request: with a status and a value as JSON, or by hand. */
export type Answer =
  | {
      readonly status?: number;
      readonly headers?: Record<string, string>;
      readonly json?: unknown;
      readonly text?: string;
    }
  | ((response: http.ServerResponse) => void);

/** A real HTTP server on loopback that gives the answers of its script, one a request; the last one for ever. */
export class ScriptedServer {
  readonly asked: Asked[] = [];
  readonly #server: http.Server;
  #script: Answer[];

  private constructor(script: Answer[]) {
    this.#script = [...script];
    this.#server = http.createServer((request, response) => void this.#answer(request, response));
  }

  static async start(...script: Answer[]): Promise<ScriptedServer> {
    const started = new ScriptedServer(script);
    await started.listen(0);
    return started;
  }

  /** Listens, again after `stop` too. */
  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, "127.0.0.1", resolve);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += String(chunk);
    this.asked.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers, body });
    const answer = this.#script.length > 1 ? this.#script.shift() : this.#script[0];
    if (typeof answer === "function") {
      answer(response);
      return;
    }
    response.writeHead(answer?.status ?? 200, { "content-type": "application/json", ...answer?.headers });
    response.end(answer?.text ?? JSON.stringify(answer?.json ?? {}));
  }
}

/** A refusal as the API shows it. */
export function refusal(status: number, code: string, category: string, more: object = {}): Answer {
  const error = {
    code,
    category,
    message: `It is ${code}.`,
    advice: "Do this.",
    requestId: "req-1",
    ...more,
  };
  return { status, json: { error } };
}

/** Breaks the connection without an answer. */
export const breakOff: Answer = (response) => response.socket?.resetAndDestroy();
