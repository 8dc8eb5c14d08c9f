import { createServer } from "node:http";
import type { RequestListener, Server, ServerOptions } from "node:http";
import type { Socket } from "node:net";
import Fastify, { LogController } from "fastify";
import type {
  ConnectionError,
  FastifyBaseLogger,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifyServerFactory,
} from "fastify";
import { Failure } from "../core/errors.ts";
import { exposeClientCertificate } from "./client-certificate.ts";
import { failureOf } from "./failure-of.ts";
import { leanFront } from "./lean-front.ts";
import type { LeanRoute } from "./lean-front.ts";
import { HTTP_LIMITS } from "./limits.ts";
import type { PresentFailure } from "./raw-reply.ts";
import { newRequestId, rawReply, replyHeaders } from "./raw-reply.ts";
import type { TlsFront } from "./tls-front.ts";
import { compileValidator } from "./validator.ts";
import { WholeBodyRequest } from "./whole-body.ts";

/*
 * What holds for every request, whatever its protocol:
 * - a route that no role table lists cannot be registered;
 * - the request id is made here; none is taken from clients;
 * - bodies are JSON, bounded, and refused when they reach for a prototype;
 * - replies are not cached and not sniffed;
 * - every error leaves as a reply of the protocol; what is not a Failure is logged with its stack, and the reply
 *   says no more than the request id;
 * - once the service stops, what still arrives is refused, and what is under way is finished.
 */

declare module "fastify" {
  interface FastifyContextConfig {
    /** Name of the operation, for logs and metrics. */
    operation?: string;
    /** True for routes that also answer while the service stops. */
    alsoWhileStopping?: boolean;
  }
}

export interface AppOptions {
  readonly log: FastifyBaseLogger;
  /** Largest request body. */
  readonly bodyLimitBytes: number;
  /** Makes the reply for a failure outside the routes of a protocol that has a form of its own. */
  readonly presentFailure: PresentFailure;
  /** Whether a table states who may call this route; `path` as it is registered. */
  readonly isListedRoute: (method: string, path: string) => boolean;
  /** Takes notice of each finished request; `operation` is "none" where no route matched. */
  readonly observe?: (operation: string, status: number, seconds: number) => void;
  /** Without it the application speaks plain HTTP. */
  readonly tls?: TlsFront;
  /** Routes that are served without Fastify where a request is plain; Fastify has them too. */
  readonly leanRoutes?: readonly LeanRoute[];
}

/** The Fastify application without routes. Routes are added by the protocols, before `ready`. */
export function buildApp(options: AppOptions): FastifyInstance {
  const { log, presentFailure, tls } = options;
  let stopping = false;
  const http = {
    headersTimeout: HTTP_LIMITS.headersTimeoutMs,
    connectionsCheckingInterval: HTTP_LIMITS.timeoutCheckIntervalMs,
    maxHeaderSize: HTTP_LIMITS.headerBytes,
  };

  const app: FastifyInstance = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: "requestId" }),
    requestIdHeader: false,
    genReqId: newRequestId,
    trustProxy: false,
    bodyLimit: options.bodyLimitBytes,
    onProtoPoisoning: "error",
    onConstructorPoisoning: "error",
    keepAliveTimeout: HTTP_LIMITS.idleTimeoutMs,
    requestTimeout: HTTP_LIMITS.requestTimeoutMs,
    http,
    serverFactory: serverFactory(options, http, () => stopping),
    routerOptions: { maxParamLength: HTTP_LIMITS.pathParameterLength },
    forceCloseConnections: "idle",
    // Fastify's own 503 has another form; the hook below refuses in ours.
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => sendError(error, request, reply),
    clientErrorHandler: (error, socket) => refuseConnection(error, socket, presentFailure),
  });

  const sendError = (
    error: unknown,
    request: Pick<FastifyRequest, "id" | "log">,
    reply: Pick<FastifyReply, "code" | "headers" | "send">,
  ): void => {
    const { status, headers, body } = presentFailure(failureOf(error, request.log), request.id);
    void reply
      .code(status)
      .headers({ ...replyHeaders(request.id), ...headers })
      .send(body);
  };

  app.addHook("onRoute", ({ method, url }) => {
    for (const one of [method].flat()) {
      if (!options.isListedRoute(one, url)) throw new Error(`No role table lists the route ${one} ${url}.`);
    }
  });
  app.addHook("preClose", (done) => {
    stopping = true;
    tls?.closeSilent();
    done();
  });
  app.addHook("onRequest", (request, reply, done) => {
    void reply.headers(replyHeaders(request.id));
    if (tls && !tls.isCurrent(request.raw.socket)) void reply.header("connection", "close");
    const refused = stopping && request.routeOptions.config.alsoWhileStopping !== true;
    done(refused ? new Failure("stopping") : undefined);
  });
  app.addHook("onResponse", (request, reply, done) => {
    const operation = request.routeOptions.config.operation ?? "none";
    options.observe?.(operation, reply.statusCode, reply.elapsedTime / 1000);
    request.log.debug(
      { operation, method: request.method, status: reply.statusCode, ms: reply.elapsedTime },
      "request",
    );
    done();
  });

  exposeClientCertificate(app);
  app.setValidatorCompiler(compileValidator);
  app.removeContentTypeParser("text/plain");
  app.setErrorHandler(sendError);
  app.setNotFoundHandler(() => {
    throw new Failure("route-not-found");
  });
  return app;
}

/** Servers with the timeouts that Fastify sets only on those that it makes itself. */
function serverFactory(
  { tls, leanRoutes = [], log, presentFailure, observe }: AppOptions,
  http: ServerOptions,
  isStopping: () => boolean,
): FastifyServerFactory<Server> {
  const lean = leanFront(leanRoutes, { log, presentFailure, observe, isStopping });
  const settings = {
    ...http,
    IncomingMessage: WholeBodyRequest,
    keepAliveTimeout: HTTP_LIMITS.idleTimeoutMs,
    requestTimeout: HTTP_LIMITS.requestTimeoutMs,
  };
  return (handler) => {
    const listener: RequestListener = (request, response) => {
      const isUsual = !isStopping() && tls?.isCurrent(request.socket) !== false;
      if (!isUsual || !lean(request, response)) handler(request, response);
    };
    return tls ? tls.createServer(listener, settings) : createServer(settings, listener);
  };
}

/** Status of what Node's HTTP parser refuses before there is a request. */
const CONNECTION_STATUS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

/** Answers what is not HTTP, too long or too slow, and closes the connection. */
function refuseConnection(error: ConnectionError, socket: Socket, presentFailure: PresentFailure): void {
  if (error.code === "ECONNRESET" || socket.destroyed) return;
  const failure = new Failure(
    "invalid-request",
    "The request is not well-formed HTTP, or too long, or too slow.",
  );
  const status = CONNECTION_STATUS[error.code] ?? "400 Bad Request";
  // A handshake that failed leaves nothing that could carry a reply.
  if (socket.writable && !/^ERR_(?:SSL|TLS)_/.test(error.code))
    socket.write(rawReply(failure, status, presentFailure));
  socket.destroy();
}
