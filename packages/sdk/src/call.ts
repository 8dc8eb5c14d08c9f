import type { RouteInput, RouteName, RouteReply } from "@claviger/api";
import { ClavigerError, clientFailure, ofReply, ofTransport } from "./claviger-error.ts";
import { RETRY_LIMIT, delayMs, mayRepeat, pause } from "./retry.ts";
import { ROUTE_PATHS } from "./route-paths.ts";
import type { Transport, TransportReply, TransportRequest } from "./transport.ts";
import { TransportError } from "./transport.ts";

/** An optional property may be left out or be undefined: both are sent as nothing. */
export type Loose<T> = {
  [Key in keyof T]: Partial<Record<Key, never>> extends Pick<T, Key> ? T[Key] | undefined : T[Key];
};

/** What a call of the route takes: `params`, `query` and `body`, as far as it has them. */
export type CallInput<R extends RouteName> = { [Part in keyof RouteInput<R>]: Loose<RouteInput<R>[Part]> };

/** How one call is made. */
export interface CallOptions {
  /** Ends the call; it rejects with the signal's reason. What was sent may be done nevertheless. */
  readonly signal?: AbortSignal | undefined;
}

/** The address as it is shown, the headers that every request carries, the transport, and how often to repeat. */
export interface Line {
  readonly address: string;
  readonly transport: Transport;
  readonly authorization: string | undefined;
  readonly retries: number;
}

interface Parts {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
}

/**
 * Calls one route of the API: builds the request from its row of ROUTE_PATHS, sends it, repeats it where retry.ts allows, and
 * returns the reply as the row states it. Rejects with ClavigerError.
 */
export async function callRoute<R extends RouteName>(
  line: Line,
  route: R,
  input: CallInput<R>,
  options: CallOptions = {},
): Promise<RouteReply<R>> {
  const request = requestOf(line, route, input, options.signal);
  for (let attempt = 0; ; attempt++) {
    const outcome = await attemptOnce(line, request);
    if (!(outcome.result instanceof ClavigerError)) return outcome.result as RouteReply<R>;
    if (attempt >= Math.min(line.retries, RETRY_LIMIT) || !mayRepeat(route, outcome.result))
      throw outcome.result;
    await pause(delayMs(attempt, outcome.retryAfter, Date.now()), options.signal);
  }
}

/** One request. A failure is a result here, because the caller looks at it before it throws. */
async function attemptOnce(
  line: Line,
  request: TransportRequest,
): Promise<{ result: unknown; retryAfter: string | null }> {
  try {
    const reply = await line.transport.send(request);
    const accepted = reply.status >= 200 && reply.status < 300;
    return { result: accepted ? parsed(reply) : ofReply(reply), retryAfter: reply.retryAfter };
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    return { result: ofTransport(error, line.address), retryAfter: null };
  }
}

function parsed(reply: TransportReply): unknown {
  try {
    return JSON.parse(reply.body);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // Without the parser's own error as cause: its message quotes the body, which may hold a data key.
    return clientFailure("reply-not-understood", "The reply is not JSON.", undefined, reply.status);
  }
}

function requestOf(
  line: Line,
  route: RouteName,
  input: Parts,
  signal: AbortSignal | undefined,
): TransportRequest {
  const { method } = ROUTE_PATHS[route];
  const body = input.body === undefined ? null : JSON.stringify(input.body);
  const headers = {
    ...(line.authorization !== undefined && { authorization: line.authorization }),
    ...(body !== null && { "content-type": "application/json" }),
  };
  return { method, path: pathOf(route, input.params) + queryOf(input.query), headers, body, signal };
}

const TEMPLATES = Object.fromEntries(
  Object.entries(ROUTE_PATHS).map(([route, { path }]) => [route, path.split("/")]),
);

function pathOf(route: RouteName, params: Parts["params"]): string {
  const pieces = TEMPLATES[route] ?? [];
  return pieces.map((piece) => (piece.startsWith(":") ? segment(piece.slice(1), params) : piece)).join("/");
}

/** A parameter as one segment of the path. What would leave its place in the path is refused here. */
function segment(name: string, params: Parts["params"]): string {
  const value = params?.[name];
  if (value === undefined || value === "" || value === "." || value === "..") {
    throw new ClavigerError({
      code: "invalid-request",
      category: "invalid",
      message: `"${value ?? ""}" cannot be the name of a ${name}.`,
      advice: "Give a name or an id.",
      field: name,
    });
  }
  return encodeURIComponent(value);
}

function queryOf(query: Parts["query"]): string {
  if (query === undefined) return "";
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined);
  if (pairs.length === 0) return "";
  return `?${pairs.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join("&")}`;
}
