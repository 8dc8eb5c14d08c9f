import { BODY_LIMIT_BYTES, ROUTES } from "@claviger/api";
import type { GuardedRouteName, OpenRouteName, RouteInput, RouteName, RouteReply } from "@claviger/api";
import swagger from "@fastify/swagger";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { TSchema } from "typebox";
import type { Credentials } from "../../core/access/authentication.ts";
import type { Principal } from "../../core/access/principal.ts";
import type { Touched } from "../../core/audit/audit-draft.ts";
import type { Proved, RecordedRequest, RequestLog } from "../../core/audit/request-log.ts";
import { Failure } from "../../core/errors.ts";
import type { FailureCode } from "../../core/errors.ts";
import { ROUTE_RECORDING } from "./audit.ts";
import { authorize } from "./auth.ts";
import type { Admission, Gate } from "./auth.ts";
import {
  BEARER_SECURITY,
  ERROR_REPLIES,
  ERROR_REPLY_SCHEMA,
  OPENAPI_OPTIONS,
  successReply,
} from "./openapi.ts";
import { KEY_BEARING, OPEN_ROUTES, ROUTE_ROLES, SIGN_IN_ROUTES } from "./roles.ts";

/** Largest request body of this protocol. */
export const NATIVE_BODY_LIMIT_BYTES = BODY_LIMIT_BYTES;

/**
 * What the routes call: one function a route, which gets its validated input and who calls, and notes in `touched` what
 * it finds out for the audit log.
 */
export type NativeHandlers = {
  readonly [R in GuardedRouteName]: (
    input: RouteInput<R>,
    caller: Principal,
    touched: Touched,
  ) => Promise<RouteReply<R>>;
};
/** The routes that are called to become someone: nobody calls them yet, and they say who it is once that is proved. */
export type SignInHandlers = {
  readonly [R in OpenRouteName]: (input: RouteInput<R>, proved: Proved) => Promise<RouteReply<R>>;
};

export interface NativeRoutes {
  readonly handlers: NativeHandlers & SignInHandlers;
  readonly gate: Gate;
  readonly requestLog: Pick<RequestLog, "admit" | "done" | "changing">;
  /** The code of the failure that a request is refused with for whatever was thrown. */
  readonly codeOf: (error: unknown) => FailureCode;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Who calls a native route; null until its token is checked. */
    principal: Principal | null;
    /** Who was let in; null until that is known. */
    admission: Admission | null;
    /** What a native route touched, for the audit log. */
    touched: Touched | null;
    /** Whether what comes of it is recorded already, if it is refused. */
    isRecorded: boolean;
  }
}

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
export async function registerNativeRoutes(app: FastifyInstance, native: NativeRoutes): Promise<void> {
  await app.register(swagger, OPENAPI_OPTIONS);
  app.addSchema(ERROR_REPLY_SCHEMA);
  app.decorateRequest("admission", null);
  app.decorateRequest("principal", null);
  app.decorateRequest("touched", null);
  app.decorateRequest("isRecorded", false);
  for (const name of Object.keys(ROUTE_ROLES) as GuardedRouteName[]) registerRoute(app, name, native);
  for (const name of SIGN_IN_ROUTES) registerOpenRoute(app, name, native);
  registerOpenApi(app);
}

function registerRoute<R extends GuardedRouteName>(
  app: FastifyInstance,
  name: R,
  native: NativeRoutes,
): void {
  const row: Row = ROUTES[name];
  const handle: NativeHandlers[R] = native.handlers[name];
  const { requestLog } = native;
  const recording = ROUTE_RECORDING[name];
  const letIn = (request: FastifyRequest): Promise<Admission> => {
    const { authenticate } = native.gate;
    const gate = {
      ...native.gate,
      authenticate: (credentials: Credentials) => remembered(request, authenticate(credentials)),
    };
    return authorize(gate, name, {
      authorization: request.headers.authorization,
      certificate: request.clientCertificate?.sha256,
      params: request.params,
    });
  };
  app.route({
    ...describe(name, row, BEARER_SECURITY),
    // Before the body is read: a stranger's body costs nothing, and tells nothing.
    onRequest: async (request) => {
      request.admission = await letIn(request);
    },
    handler: async (request) => {
      if (request.admission === null)
        throw new Failure("internal", "The caller of the route was not checked.");
      if (recording !== "refusals") requestLog.admit(request.admission.caller);
      const record = recordOf(name, request);
      const run = ({ caller }: Admission) => handle(inputOf<R>(row, request), caller, record.touched);
      if (recording === "change") {
        const { admission } = request;
        request.isRecorded = true;
        return await requestLog.changing(record, () => run(admission));
      }
      const act = async (admission: Admission) => {
        const reply = await run(admission);
        if (recording === "use") await requestLog.done(record, "allowed");
        return reply;
      };
      return KEY_BEARING.has(name)
        ? await whileAdmitted(request.admission, act, () => letIn(request), native.gate)
        : await act(request.admission);
    },
    errorHandler: recordingRefusals(name, native),
  });
}

/** A route that nobody is let in to: who calls it is known, if at all, when it has succeeded. */
function registerOpenRoute<R extends OpenRouteName>(
  app: FastifyInstance,
  name: R,
  native: NativeRoutes,
): void {
  const row: Row = ROUTES[name];
  const handle: SignInHandlers[R] = native.handlers[name];
  const { requestLog } = native;
  const isChange = ROUTE_RECORDING[name] === "change";
  app.route({
    ...describe(name, row, []),
    handler: async (request) => {
      const input = inputOf<R>(row, request);
      if (!isChange) return await handle(input, nobody);
      request.isRecorded = true;
      return await requestLog.changing(recordOf(name, request), (proved) => handle(input, proved));
    },
    errorHandler: recordingRefusals(name, native),
  });
}

/** What does not change anything proves nobody. */
const nobody: Proved = () => undefined;

function recordOf(name: RouteName, request: FastifyRequest): RecordedRequest {
  return {
    request: request.id,
    operation: name,
    principal: request.principal ?? undefined,
    touched: (request.touched ??= askedBy(request)),
  };
}

/** The record of a refusal comes before its reply; then the application's own handler replies. */
function recordingRefusals(name: RouteName, { requestLog, codeOf }: NativeRoutes) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const refusal = async (): Promise<unknown> => {
      const code = codeOf(error);
      if (request.isRecorded || UNRECORDED.has(code)) return error;
      try {
        await requestLog.done(recordOf(name, request), code);
        return error;
      } catch (unrecorded) {
        return unrecorded;
      }
    };
    void refusal().then((said) => reply.send(said));
  };
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

/** How often something may be revoked under one request before it gives up. */
const ADMISSIONS = 4;

/**
 * What `act` replies, if nothing was revoked since the caller was let in; else the caller is let in anew, or refused,
 * and it is done again: what was found out under rights that may be gone does not leave.
 */
async function whileAdmitted<Reply>(
  admission: Admission,
  act: (admission: Admission) => Promise<Reply>,
  admitAnew: () => Promise<Admission>,
  { revocations }: Gate,
): Promise<Reply> {
  let admitted = admission;
  for (let times = 1; times <= ADMISSIONS; times += 1) {
    const reply = await act(admitted);
    if ((await revocations.read()) === admitted.revocations) return reply;
    admitted = await admitAnew();
  }
  throw new Failure("rights-moved");
}

/** Refusals before a request has begun to touch anything, and those of the log itself, which counts them. */
const UNRECORDED: ReadonlySet<FailureCode> = new Set<FailureCode>(["audit-unavailable", "stopping"]);

/** Who calls is known from here on, also where the route turns out to be none for them. */
async function remembered(request: FastifyRequest, caller: Promise<Principal>): Promise<Principal> {
  request.principal = await caller;
  return request.principal;
}

/** What the path names, until it is found. */
function askedBy({ params }: FastifyRequest): Touched {
  const names = Object.values((params ?? {}) as Readonly<Record<string, string>>);
  return names.length === 0 ? {} : { asked: names.join("/") };
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
