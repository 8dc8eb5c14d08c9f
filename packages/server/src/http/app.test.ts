import { once } from "node:events";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import { afterEach, expect, test } from "vitest";
import { Failure } from "../core/errors.ts";
import { createLog } from "../ops/log.ts";
import { buildApp } from "./app.ts";
import type { AppOptions } from "./app.ts";
import { HTTP_LIMITS } from "./limits.ts";

const apps: FastifyInstance[] = [];
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

interface LogLine {
  readonly level: string;
  readonly requestId?: string;
  readonly err?: { readonly stack?: string; readonly message?: string };
}

interface Observed {
  readonly operation: string;
  readonly status: number;
}

function appUnderTest(changes: Partial<AppOptions> = {}) {
  const lines: string[] = [];
  const observed: Observed[] = [];
  const app = buildApp({
    log: createLog("info", { write: (line) => lines.push(line) }),
    bodyLimitBytes: 1000,
    presentFailure: ({ code, message, field }, requestId) => ({
      status: code === "route-not-found" ? 404 : code === "stopping" ? 503 : 500,
      headers: { "x-code": code },
      body: { code, message, field, requestId },
    }),
    isListedRoute: () => true,
    observe: (operation, status) => observed.push({ operation, status }),
    ...changes,
  });
  app.post("/echo", { config: { operation: "echo" } }, (request) => ({ got: request.body }));
  app.get("/throws/:what", (request) => {
    const { what } = request.params as { what: string };
    if (what === "nothing") throw undefined as unknown as Error;
    if (what === "status") throw Object.assign(new Error("secret detail"), { statusCode: 400 });
    if (what === "damaged") throw new Failure("store-damaged", undefined, { cause: new Error("page 7") });
    throw new TypeError("secret detail");
  });
  apps.push(app);
  const logged = (): LogLine[] => lines.map((line) => JSON.parse(line) as LogLine);
  return { app, logged, observed };
}

async function listening(app: FastifyInstance): Promise<number> {
  await app.listen({ port: 0, host: "127.0.0.1" });
  return (app.server.address() as AddressInfo).port;
}

/** Sends bytes and reads what comes until the other side closes. */
async function sendRaw(port: number, text: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.write(text);
  await once(socket, "close");
  return Buffer.concat(chunks).toString();
}

test("every reply says that it is not to be cached or sniffed, and has a request id of our making", async () => {
  const { app } = appUnderTest();
  for (const url of ["/echo", "/throws/error", "/unknown", "/%E0%A4%A"]) {
    const reply = await app.inject({
      method: "GET",
      url,
      headers: { "request-id": "mine", "x-request-id": "mine" },
    });
    expect(reply.headers, url).toMatchObject({
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    });
    expect(reply.headers["x-request-id"]).toMatch(/^req-[0-9a-f-]{36}$/);
    expect(reply.json<{ requestId: string }>().requestId).toBe(reply.headers["x-request-id"]);
  }
});

test.for([
  ["an unknown path", { method: "GET", url: "/unknown" }, "route-not-found"],
  ["another method", { method: "DELETE", url: "/echo" }, "route-not-found"],
  ["OPTIONS", { method: "OPTIONS", url: "/echo" }, "route-not-found"],
  ["a method of WebDAV", { method: "PROPFIND" as "GET", url: "/echo" }, "route-not-found"],
  ["a path that is not well-formed", { method: "GET", url: "/%E0%A4%A" }, "invalid-request"],
  [
    "a path parameter that is too long",
    { method: "GET", url: `/throws/${"a".repeat(200)}` },
    "invalid-request",
  ],
] as const)("refuses %s", async ([, request, code]) => {
  const reply = await appUnderTest().app.inject(request);
  expect(reply.headers["x-code"]).toBe(code);
});

const JSON_TYPE = { "content-type": "application/json" };
test.for<[string, string, Record<string, string>, string]>([
  ["a body that is too large", JSON.stringify("a".repeat(1000)), JSON_TYPE, "body-too-large"],
  ["plain text", "hello", { "content-type": "text/plain" }, "invalid-request"],
  ["a form", "a=1", { "content-type": "application/x-www-form-urlencoded" }, "invalid-request"],
  ["a content type that is none", "{}", { "content-type": "nonsense" }, "invalid-request"],
  ["a body without content type", "{}", { "content-type": "" }, "invalid-request"],
  ["an empty body", "", JSON_TYPE, "invalid-request"],
  ["malformed JSON", '{"a":', JSON_TYPE, "invalid-request"],
  ["JSON with more behind it", "{} {}", JSON_TYPE, "invalid-request"],
  ["__proto__", '{"__proto__":{"admin":true}}', JSON_TYPE, "invalid-request"],
  ["__proto__ further down", '{"a":[{"__proto__":1}]}', JSON_TYPE, "invalid-request"],
  ["__proto__ in escapes", '{"\\u005f_proto__":{"admin":true}}', JSON_TYPE, "invalid-request"],
  ["constructor.prototype", '{"constructor":{"prototype":{"admin":true}}}', JSON_TYPE, "invalid-request"],
])("refuses %s", async ([, payload, headers, code]) => {
  const reply = await appUnderTest().app.inject({ method: "POST", url: "/echo", payload, headers });
  expect(reply.headers["x-code"]).toBe(code);
});

test("names the body that is too large, whether or not its length is announced", async () => {
  const port = await listening(appUnderTest().app);
  const head = "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
  const announced = await sendRaw(port, `${head}content-length: 5000\r\n\r\n`);
  const chunked = await sendRaw(
    port,
    `${head}transfer-encoding: chunked\r\n\r\n7d0\r\n${" ".repeat(2000)}\r\n0\r\n\r\n`,
  );
  expect(announced).toContain("body-too-large");
  expect(chunked).toContain("body-too-large");
});

test("an error of ours that is no Failure is logged with its stack, and the reply says only the request id", async () => {
  for (const what of ["error", "status"]) {
    const { app, logged } = appUnderTest();
    const reply = await app.inject({ method: "GET", url: `/throws/${what}` });
    const { requestId } = reply.json<{ requestId: string }>();
    expect(reply.headers["x-code"]).toBe("internal");
    expect(reply.body).not.toMatch(/secret detail|app\.test|TypeError|node:/);
    const line = logged().find(({ level }) => level === "error");
    expect(line).toMatchObject({ requestId, err: { message: "secret detail" } });
    expect(line?.err?.stack).toContain("app.test.ts");
  }
});

test("a thrown undefined is an internal failure, too", async () => {
  const reply = await appUnderTest().app.inject({ method: "GET", url: "/throws/nothing" });
  expect(reply.headers["x-code"]).toBe("internal");
});

test("a fault that has a code is logged with its cause", async () => {
  const { app, logged } = appUnderTest();
  const reply = await app.inject({ method: "GET", url: "/throws/damaged" });
  expect(reply.headers["x-code"]).toBe("store-damaged");
  expect(logged()).toMatchObject([
    { level: "error", code: "store-damaged", err: { cause: { message: "page 7" } } },
  ]);
});

test("headers, whole requests and idle connections have a time limit each", () => {
  const { server } = appUnderTest().app;
  expect(server.headersTimeout).toBe(HTTP_LIMITS.headersTimeoutMs);
  expect(server.requestTimeout).toBe(HTTP_LIMITS.requestTimeoutMs);
  expect(server.keepAliveTimeout).toBe(HTTP_LIMITS.idleTimeoutMs);
});

test("a route that no table lists cannot be registered", () => {
  const { app } = appUnderTest({ isListedRoute: (method, path) => `${method} ${path}` !== "PUT /secret" });
  expect(() => app.put("/secret", () => "no")).toThrow("No role table lists the route PUT /secret");
  expect(() => app.put("/other", () => "yes")).not.toThrow();
});

test("requests are observed by operation; paths that nobody registered do not become operations", async () => {
  const { app, observed } = appUnderTest();
  await app.inject({ method: "POST", url: "/echo", payload: {} });
  await app.inject({ method: "GET", url: "/anything/at/all" });
  expect(observed).toEqual([
    { operation: "echo", status: 200 },
    { operation: "none", status: 404 },
  ]);
});

test("header values cannot add headers to a reply", async () => {
  const port = await listening(appUnderTest().app);
  const reply = await sendRaw(
    port,
    "GET /unknown%0d%0ax-injected:%20yes HTTP/1.1\r\nhost: x\r\nx-request-id: a%0d%0ax-injected: yes\r\nconnection: close\r\n\r\n",
  );
  expect(reply).toContain("404 Not Found");
  expect(reply.toLowerCase()).not.toMatch(/^x-injected/m);
});

test.for<[string, string, string]>([
  ["what is not HTTP", "hello\r\n\r\n", "400"],
  ["an unknown method", "BREW /echo HTTP/1.1\r\nhost: x\r\n\r\n", "400"],
  ["a line feed in a header name", "GET / HTTP/1.1\r\nhost: x\r\na\nb: c\r\n\r\n", "400"],
  [
    "two lengths of one body",
    "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
    "400",
  ],
  ["headers that are too long", `GET / HTTP/1.1\r\nhost: x\r\na: ${"b".repeat(20_000)}\r\n\r\n`, "431"],
])("answers %s with an error reply and closes the connection", async ([, text, status]) => {
  const port = await listening(appUnderTest().app);
  const reply = await sendRaw(port, text);
  const [head = "", body = ""] = reply.split("\r\n\r\n");
  expect(head).toContain(`HTTP/1.1 ${status} `);
  expect(head).toContain("cache-control: no-store");
  expect(JSON.parse(body)).toMatchObject({ code: "invalid-request" });
});

/** An application whose stop waits, after it began, until `goOn` is called. */
async function stoppingApp() {
  const { app } = appUnderTest();
  const begun = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  app.addHook("preClose", async () => {
    begun.resolve();
    await held.promise;
  });
  const slow = { started: Promise.withResolvers<void>(), finish: Promise.withResolvers<void>() };
  app.get("/slow", async () => {
    slow.started.resolve();
    await slow.finish.promise;
    return { done: true };
  });
  app.get("/live", { config: { alsoWhileStopping: true } }, () => ({ live: true }));
  const port = await listening(app);
  return { port, slow, close: () => ({ closed: app.close(), begun: begun.promise }), goOn: held.resolve };
}

function openConnection(port: number) {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return { socket, text: () => text };
}

test("a stop finishes what is under way and then closes the connection", async () => {
  const { port, slow, close, goOn } = await stoppingApp();
  const { socket, text } = openConnection(port);
  const gone = once(socket, "close");
  socket.write("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n");
  await slow.started.promise;
  const { closed, begun } = close();
  await begun;
  goOn();
  slow.finish.resolve();
  await Promise.all([closed, gone]);
  expect(text()).toContain('{"done":true}');
});

test.for<[string, string, string]>([
  ["/echo", "503 Service Unavailable", "stopping"],
  ["/unknown", "503 Service Unavailable", "stopping"],
  ["/live", "200 OK", ""],
])("while the service stops, a request of %s is answered with %s", async ([path, status, code]) => {
  const { port, close, goOn } = await stoppingApp();
  const { socket, text } = openConnection(port);
  const gone = once(socket, "close");
  await once(socket, "connect");
  const { closed, begun } = close();
  await begun;
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
  await gone;
  expect(text()).toContain(`HTTP/1.1 ${status}`);
  expect(text().toLowerCase()).toContain("connection: close");
  if (code !== "") expect(text()).toContain(`x-code: ${code}`);
  goOn();
  await closed;
});
