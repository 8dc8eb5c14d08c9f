import * as http from "node:http";
import * as https from "node:https";
import type { IncomingMessage } from "node:http";
import { Failure } from "../core/errors.ts";

/*
 * How the daemon asks another service for a document:
 * - over https, whose certificate is verified whatever the variables of Node.js say; http on loopback only;
 * - no redirect is followed: whoever answers is the one that was asked;
 * - within a time, headers, body and all, and up to a size;
 * - whatever goes wrong is `identity-provider-unavailable`, with the reason as cause, for the log.
 */

const TIMEOUT_MS = 5_000;
const LIMIT_BYTES = 256 * 1024;

/** @throws Failure `identity-provider-unavailable`. */
export async function boundedGet(url: URL): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await get(url);
  } catch (error) {
    throw new Failure("identity-provider-unavailable", undefined, { cause: error });
  }
}

/** Whether documents are asked for at this address at all. */
export function isFetchable({ protocol, hostname, username, password }: URL): boolean {
  if (username !== "" || password !== "") return false;
  const loopback = hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d+){3}$/.test(hostname);
  return protocol === "https:" || (protocol === "http:" && loopback);
}

async function get(url: URL): Promise<Uint8Array<ArrayBuffer>> {
  if (!isFetchable(url)) throw new Error(`${url.origin} is neither https nor on loopback`);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const options = { headers: { accept: "application/json" }, agent: false as const, signal };
  const replied = Promise.withResolvers<IncomingMessage>();
  const request =
    url.protocol === "https:"
      ? https.get(url, { ...options, rejectUnauthorized: true }, replied.resolve)
      : http.get(url, options, replied.resolve);
  request.on("error", replied.reject);
  const reply = await replied.promise;
  try {
    if (reply.statusCode !== 200) throw new Error(`${url.origin} answered with status ${reply.statusCode}`);
    return await bodyOf(reply, url);
  } finally {
    reply.destroy();
  }
}

async function bodyOf(reply: IncomingMessage, url: URL): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of reply as AsyncIterable<Buffer>) {
    length += chunk.byteLength;
    if (length > LIMIT_BYTES) throw new Error(`${url.origin} sends more than ${LIMIT_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Uint8Array.from(Buffer.concat(chunks));
}
