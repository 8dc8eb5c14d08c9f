import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import type { Failure } from "../core/errors.ts";

/** What a protocol replies for a failure. */
export interface FailureReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

export type PresentFailure = (failure: Failure, requestId: string) => FailureReply;

export function newRequestId(): string {
  return `req-${randomUUID()}`;
}

/** Every reply has these: none is kept by a cache, or taken for something else than it says. */
export const FIXED_HEADERS = { "cache-control": "no-store", "x-content-type-options": "nosniff" } as const;

export function replyHeaders(requestId: string): Record<string, string> {
  return { ...FIXED_HEADERS, "x-request-id": requestId };
}

/** The whole reply as text, for connections on which there is no request: `status` with its reason phrase. */
export function rawReply(failure: Failure, status: string, presentFailure: PresentFailure): string {
  const requestId = newRequestId();
  const body = JSON.stringify(presentFailure(failure, requestId).body);
  const headers = {
    ...replyHeaders(requestId),
    "content-type": "application/json; charset=utf-8",
    "content-length": String(Buffer.byteLength(body)),
    connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status}`, ...lines, "", body].join("\r\n");
}

/** How long what a refused client still sends is read, so that the reply is not lost with the connection. */
const DRAIN_MS = 1_000;

/** Sends the reply, and closes the connection when the client has read it, or soon. */
export function replyAndClose(socket: Socket, reply: string): void {
  socket.on("error", () => socket.destroy());
  socket.end(reply);
  socket.resume();
  const deadline = setTimeout(() => socket.destroy(), DRAIN_MS);
  socket.once("close", () => clearTimeout(deadline));
}
