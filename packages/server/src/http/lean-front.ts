import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyBaseLogger } from "fastify";
import { parse as parseJson } from "secure-json-parse";
import { Failure } from "../core/errors.ts";
import { certificateOf } from "./client-certificate.ts";
import { failureOf, NOT_JSON } from "./failure-of.ts";
import { HTTP_LIMITS } from "./limits.ts";
import { FIXED_HEADERS, newRequestId, replyHeaders } from "./raw-reply.ts";
import type { PresentFailure } from "./raw-reply.ts";
import { validatorOf } from "./validator.ts";
import { WholeBodyRequest } from "./whole-body.ts";

/*
 * Serves hot routes without Fastify, for whose layers a request pays more than for what the route does. Replies,
 * validation, refusals and what is observed are the same. Whatever is not plain about a request (another media type, a
 * query, escapes in the path, a body that is long or has no length) is left to Fastify before anything of it is read.
 * A body that is taken here is received before it is known who calls, for it is short, and looked at afterwards.
 */

/** A route that may be served so: it has path parameters and a body, and replies with an object of scalars. */
export interface LeanRoute {
  readonly operation: string;
  readonly method: string;
  /** Parameters with a colon. Its last part is fixed. */
  readonly path: string;
  readonly params: object;
  readonly body: object;
  readonly reply: { readonly properties?: Readonly<Record<string, object>> };
  readonly begin: (asking: LeanAsking) => LeanCall;
}

/** What a request says before its body. */
export interface LeanAsking {
  readonly id: string;
  readonly authorization: string | undefined;
  /** SHA-256 of the verified client certificate. */
  readonly certificate: string | undefined;
  readonly params: Readonly<Record<string, string>>;
}

/** A request of a route; each rejects with what it is refused with. */
export interface LeanCall {
  letIn(): Promise<void>;
  run(input: { readonly params: unknown; readonly body: unknown }): Promise<object>;
  /** Has the refusal recorded. Returns what to refuse with. */
  refused(error: unknown): Promise<unknown>;
}

export interface LeanFrontOptions {
  readonly log: FastifyBaseLogger;
  readonly presentFailure: PresentFailure;
  readonly observe: ((operation: string, status: number, seconds: number) => void) | undefined;
  /** Whether the service stops: what is replied from then on is the last of its connection. */
  readonly isStopping: () => boolean;
}

/** Takes a request and replies to it, or returns false and has not touched it. */
export type LeanFront = (request: IncomingMessage, response: ServerResponse) => boolean;

const JSON_TYPE = "application/json; charset=utf-8";
/** A parameter that needs no decoding. */
const PLAIN_PARAMETER = `([A-Za-z0-9._~-]{1,${HTTP_LIMITS.pathParameterLength}})`;
const DIGITS = /^[1-9]\d{0,8}$/;

interface PreparedRoute {
  readonly route: LeanRoute;
  /** Matches the path with parameters that need no decoding; a group for each of them. */
  readonly pattern: RegExp;
  readonly names: readonly string[];
  readonly validateParams: (value: unknown) => void;
  readonly validateBody: (value: unknown) => void;
  readonly textOf: (reply: object) => string;
}

interface Matched {
  readonly prepared: PreparedRoute;
  readonly params: Readonly<Record<string, string>>;
}

export function leanFront(routes: readonly LeanRoute[], options: LeanFrontOptions): LeanFront {
  const byEnd = new Map(routes.map(prepare).map((prepared) => [endOf(prepared.route.path), prepared]));
  return (request, response) => {
    if (!(request instanceof WholeBodyRequest)) return false;
    const lengthBytes = plainJsonLength(request);
    if (lengthBytes === undefined) return false;
    const matched = match(byEnd, request);
    if (!matched) return false;
    const begunMs = performance.now();
    request.takeBody(lengthBytes, (body) => {
      answer(matched, request, response, body, options)
        .then((status) => finished(matched.prepared.route, status, begunMs, options))
        .catch((error: unknown) => {
          // Not even the refusal could be sent: whoever waits learns it from the end of the connection.
          options.log.error({ err: error }, "A request got no reply.");
          request.socket.destroy();
        });
    });
    return true;
  };
}

/** Resolves with the status when the reply has been handed on. */
async function answer(
  { prepared, params }: Matched,
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
  options: LeanFrontOptions,
): Promise<number> {
  const id = newRequestId();
  const { authorization } = request.headers;
  const certificate = certificateOf(request.socket)?.sha256;
  const call = prepared.route.begin({ id, authorization, certificate, params });
  try {
    await call.letIn();
    const parsed = parseBody(body);
    prepared.validateParams(params);
    prepared.validateBody(parsed);
    const text = prepared.textOf(await call.run({ params, body: parsed }));
    replyText(response, id, text, options.isStopping());
    return 200;
  } catch (error) {
    const refusedWith = await call.refused(error);
    const failure = failureOf(refusedWith, options.log.child({ requestId: id }));
    const { status, headers, body: said } = options.presentFailure(failure, id);
    const text = JSON.stringify(said);
    response.writeHead(status, {
      ...replyHeaders(id),
      ...headers,
      "content-type": JSON_TYPE,
      "content-length": String(Buffer.byteLength(text)),
      ...(options.isStopping() ? { connection: "close" } : {}),
    });
    response.end(text);
    return status;
  }
}

/** Names and values one after the other, as node:http has least to do with. */
const REPLY_HEADERS = ["content-type", JSON_TYPE, ...Object.entries(FIXED_HEADERS).flat()];

function replyText(response: ServerResponse, requestId: string, text: string, isLast: boolean): void {
  const lengthBytes = Buffer.byteLength(text);
  const headers = [...REPLY_HEADERS, "x-request-id", requestId, "content-length", String(lengthBytes)];
  if (isLast) headers.push("connection", "close");
  response.writeHead(200, headers);
  // What has one byte for each character need not be encoded character by character.
  response.end(text, lengthBytes === text.length ? "latin1" : "utf8");
}

function finished(
  { operation, method }: LeanRoute,
  status: number,
  begunMs: number,
  options: LeanFrontOptions,
): void {
  const ms = performance.now() - begunMs;
  options.observe?.(operation, status, ms / 1000);
  options.log.debug({ operation, method, status, ms, lean: true }, "request");
}

function prepare(route: LeanRoute): PreparedRoute {
  const parts = route.path.split("/");
  const isParameter = (part: string): boolean => part.startsWith(":");
  const pattern = parts.map((part) => (isParameter(part) ? PLAIN_PARAMETER : RegExp.escape(part))).join("/");
  const names = parts.filter(isParameter).map((part) => part.slice(1));
  const { method, path: url } = route;
  return {
    route,
    pattern: new RegExp(`^${pattern}$`),
    names,
    validateParams: validatorOf({ schema: route.params, method, url, httpPart: "params" }),
    validateBody: validatorOf({ schema: route.body, method, url, httpPart: "body" }),
    textOf: textOf(route),
  };
}

/** By this a route is found: the last part of its path. */
function endOf(path: string): string {
  return path.slice(path.lastIndexOf("/"));
}

function match(
  byEnd: ReadonlyMap<string, PreparedRoute>,
  { method, url = "" }: IncomingMessage,
): Matched | undefined {
  const prepared = byEnd.get(endOf(url));
  if (!prepared || prepared.route.method !== method) return undefined;
  const found = prepared.pattern.exec(url);
  if (!found) return undefined;
  const params: Record<string, string> = {};
  for (const [i, name] of prepared.names.entries()) params[name] = found[i + 1] ?? "";
  return { prepared, params };
}

/** The length of a body that Fastify would take as JSON, and that may be taken here; else undefined. */
function plainJsonLength({ headers }: IncomingMessage): number | undefined {
  const type = headers["content-type"];
  const length = headers["content-length"];
  if (type !== "application/json" && type !== JSON_TYPE) return undefined;
  if (length === undefined || !DIGITS.test(length) || headers["transfer-encoding"] !== undefined)
    return undefined;
  const lengthBytes = Number(length);
  return lengthBytes <= HTTP_LIMITS.leanBodyBytes ? lengthBytes : undefined;
}

/** @throws Failure `invalid-request` for what is not JSON or reaches for a prototype: what Fastify says then. */
function parseBody(body: Buffer): unknown {
  try {
    return parseJson(body.toString("utf8"));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Failure("invalid-request", NOT_JSON, { field: "body" });
  }
}

/** As JSON.stringify with the members that the schema lists, and no others. */
function textOf({ path, reply }: LeanRoute): (reply: object) => string {
  const members = Object.entries(reply.properties ?? {}).map(([name, schema]) => {
    if (!isScalar(schema)) throw new Error(`The reply of ${path} has a member that is no scalar: ${name}`);
    return { name, begin: `${JSON.stringify(name)}:` };
  });
  return (object) => {
    let text = "";
    for (const { name, begin } of members) {
      const value: unknown = Reflect.get(object, name);
      if (value !== undefined) text += `${text === "" ? "{" : ","}${begin}${JSON.stringify(value)}`;
    }
    return `${text}}`;
  };
}

function isScalar(schema: { readonly type?: unknown; readonly enum?: unknown }): boolean {
  return ["string", "integer", "boolean"].includes(String(schema.type)) || Array.isArray(schema.enum);
}
