import { BODY_LIMIT_BYTES, ROUTES } from "@claviger/api";
import type { GuardedRouteName, OpenRouteName, RouteInput, RouteName } from "@claviger/api";
import swagger from "@fastify/swagger";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { TSchema } from "typebox";
import { Failure } from "../../core/errors.ts";
import type { Asking } from "./auth.ts";
import { GuardedCall, OpenCall } from "./call.ts";
import type { NativeCall, NativePorts } from "./call.ts";
import {
  BEARER_SECURITY,
  ERROR_REPLIES,
  ERROR_REPLY_SCHEMA,
  OPENAPI_OPTIONS,
  successReply,
} from "./openapi.ts";
import { OPEN_ROUTES, ROUTE_ROLES, SIGN_IN_ROUTES } from "./roles.ts";

/** Largest request body of this protocol. */
export const NATIVE_BODY_LIMIT_BYTES = BODY_LIMIT_BYTES;

interface Row {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly summary: string;
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly body?: TSchema;
  readonly reply: TSchema;
}

/** The schema of a part that a route does not have. */
const NOTHING = Type.Object({}, { additionalProperties: false });

/** Adds every route of the native API, and the OpenAPI document that describes them. */
export async function registerNativeRoutes(app: FastifyInstance, ports: NativePorts): Promise<void> {
  await app.register(swagger, OPENAPI_OPTIONS);
  app.addSchema(ERROR_REPLY_SCHEMA);
  for (const name of Object.keys(ROUTE_ROLES) as GuardedRouteName[]) registerRoute(app, name, ports);
  for (const name of SIGN_IN_ROUTES) registerOpenRoute(app, name, ports);
  registerOpenApi(app);
}

function registerRoute<R extends GuardedRouteName>(app: FastifyInstance, name: R, ports: NativePorts): void {
  const row: Row = ROUTES[name];
  const callOf = oneForEach((request) => new GuardedCall(ports, name, askingOf(request)));
  app.route({
    ...describe(name, row, BEARER_SECURITY),
    // Before the body is read: a stranger's body costs nothing, and tells nothing.
    onRequest: async (request) => await callOf(request).letIn(),
    handler: async (request) => await callOf(request).run(inputOf<R>(row, request)),
    errorHandler: replyRefusal(callOf),
  });
}

function registerOpenRoute<R extends OpenRouteName>(app: FastifyInstance, name: R, ports: NativePorts): void {
  const row: Row = ROUTES[name];
  const callOf = oneForEach((request) => new OpenCall(ports, name, askingOf(request)));
  app.route({
    ...describe(name, row, []),
    handler: async (request) => await callOf(request).run(inputOf<R>(row, request)),
    errorHandler: replyRefusal(callOf),
  });
}

/** The same call in every hook of a request. */
function oneForEach<Call>(make: (request: FastifyRequest) => Call): (request: FastifyRequest) => Call {
  const calls = new WeakMap<FastifyRequest, Call>();
  return (request) => {
    const known = calls.get(request);
    if (known !== undefined) return known;
    const call = make(request);
    calls.set(request, call);
    return call;
  };
}

function askingOf({ id, headers, clientCertificate, params }: FastifyRequest): Asking {
  return {
    id,
    authorization: headers.authorization,
    certificate: clientCertificate?.sha256,
    params: (params ?? {}) as Asking["params"],
  };
}

/** When a refusal is recorded, the application's own handler replies. */
function replyRefusal(callOf: (request: FastifyRequest) => NativeCall) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): void =>
    void callOf(request)
      .refused(error)
      .then((said) => reply.send(said));
}

/** What every route has, whoever may call it. */
function describe(name: RouteName, row: Row, security: typeof BEARER_SECURITY) {
  return {
    method: row.method,
    url: row.path,
    bodyLimit: NATIVE_BODY_LIMIT_BYTES,
    config: { operation: name },
    schema: {
      operationId: name,
      summary: row.summary,
      security,
      querystring: row.query ?? NOTHING,
      ...(row.params && { params: row.params }),
      ...(row.body && { body: row.body }),
      response: { 200: successReply(row.reply), ...ERROR_REPLIES },
    },
    preValidation: async (request: FastifyRequest) => {
      if (row.body === undefined) refuseBody(request);
    },
  };
}

/** The parts that the route has; Fastify has validated them against the schemas that their types are made from. */
function inputOf<R extends RouteName>(row: Row, request: FastifyRequest): RouteInput<R> {
  return {
    ...(row.params && { params: request.params }),
    ...(row.query && { query: request.query }),
    ...(row.body && { body: request.body }),
  } as RouteInput<R>;
}

/** Refuses a body where the route takes none; `{}` says nothing, and passes. Fastify does not parse bodies of GET and HEAD. */
function refuseBody({ body, headers }: FastifyRequest): void {
  if (body === undefined) {
    const length = headers["content-length"] ?? "0";
    if (length === "0" && headers["transfer-encoding"] === undefined) return;
  } else if (typeof body === "object" && body !== null && !Array.isArray(body)) {
    const [member] = Object.keys(body);
    if (member === undefined) return;
    throw new Failure("invalid-request", "This route takes no body.", { field: member });
  }
  throw new Failure("invalid-request", "This route takes no body.", { field: "body" });
}

function registerOpenApi(app: FastifyInstance): void {
  const { method, path } = OPEN_ROUTES.openApi;
  app.route({
    method,
    url: path,
    config: { operation: "openApi" },
    schema: { hide: true },
    handler: async (_request, reply) => await reply.send(app.swagger()),
  });
}
