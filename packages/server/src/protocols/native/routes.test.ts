import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BODY_LIMIT_BYTES, ROLES, ROUTES } from "@claviger/api";
import type { ErrorReply, GuardedRouteName, Role, RouteName } from "@claviger/api";
import fc from "fast-check";
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from "fastify";
import { afterAll, expect, test } from "vitest";
import { admit } from "../../core/access/admission.ts";
import type { Credentials } from "../../core/access/authentication.ts";
import type { Requirement } from "../../core/access/admission.ts";
import type { PrincipalId, TokenId } from "../../core/ids.ts";
import { ChainedLog } from "../../audit/chained-log.ts";
import { RequestLog } from "../../core/audit/request-log.ts";
import { systemClock } from "../../core/clock.ts";
import { Failure } from "../../core/errors.ts";
import { buildApp } from "../../http/app.ts";
import { meaningOf } from "../../http/failure-of.ts";
import { registerHealth } from "../../http/health.ts";
import { createLog } from "../../ops/log.ts";
import type { Gate } from "./auth.ts";
import { presentFailure } from "./errors.ts";
import { isListedRoute, OPEN_ROUTES, ROUTE_ROLES, SIGN_IN_ROUTES } from "./roles.ts";
import { registerNativeRoutes } from "./routes.ts";
import type { NativePorts } from "./call.ts";

const ALL = Object.keys(ROUTES) as RouteName[];
/** Those that need a caller. */
const NAMES = Object.keys(ROUTE_ROLES) as GuardedRouteName[];

/** As much of JSON Schema as the API uses. */
interface Schema {
  readonly type?: string | readonly [string, "null"];
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly format?: string;
}

/** fast-check makes no text for a lookahead. The one there is keeps ids out of names, and no random name is an id. */
function withoutLookahead(pattern: string): string {
  return pattern.replace(/^\^\(\?!.*?\$\)/, "^");
}

/** A value that matches; `extra` adds members that no schema of a reply lists, to every object. */
function sampleOf(schema: Schema, extra: Readonly<Record<string, unknown>> = {}): unknown {
  if (schema.enum) return schema.enum[0];
  if (schema.format === "date-time") return "2026-01-02T03:04:05.678Z";
  if (schema.pattern !== undefined) {
    const [text] = fc.sample(
      fc.stringMatching(new RegExp(withoutLookahead(schema.pattern)), { maxLength: 64 }),
      {
        numRuns: 1,
        seed: 7,
      },
    );
    return text;
  }
  switch ([schema.type].flat()[0]) {
    case "object": {
      const members = Object.entries(schema.properties ?? {}).map(([name, member]) => [
        name,
        sampleOf(member, extra),
      ]);
      return { ...Object.fromEntries(members), ...extra };
    }
    case "array":
      return schema.items ? [sampleOf(schema.items, extra)] : [];
    case "integer":
    case "number":
      return schema.minimum ?? 0;
    case "boolean":
      return true;
    default:
      return "text";
  }
}

interface Row {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly params?: Schema;
  readonly query?: Schema;
  readonly body?: Schema;
  readonly reply: Schema;
}
const rowOf = (name: RouteName): Row => ROUTES[name];

/** A request that the route takes. */
function requestOf(name: RouteName): InjectOptions {
  const { method, path, params, body } = rowOf(name);
  const values = params ? (sampleOf(params) as Record<string, string>) : {};
  const url = path.replaceAll(/:(\w+)/g, (_, param: string) => values[param] ?? "");
  return { method, url, ...(body && { payload: sampleOf(body) as object }) };
}

/** Handlers that reply with a sample, and record their input. */
let lastInput: unknown;
let lastCaller: unknown;
let override: (() => unknown) | undefined;
const handlers = Object.fromEntries(
  ALL.map((name) => [
    name,
    async (input: unknown, caller: unknown) => {
      lastInput = input;
      lastCaller = caller;
      return override === undefined
        ? sampleOf(rowOf(name).reply, { leaked: "not in the schema" })
        : override();
    },
  ]),
) as unknown as NativePorts["handlers"];

/** The token is the name of the role. */
async function authenticate({ token }: Credentials) {
  const role = ROLES.find((one) => one === token);
  if (role === undefined) throw new Failure("unauthenticated");
  return {
    id: "f4b1c9c0-0000-4000-8000-000000000000" as PrincipalId,
    name: `some-${role}`,
    grants: [{ role, projectId: undefined }],
    token: { id: "f4b1c9c0-0000-4000-8000-000000000001" as TokenId, expiresAtMs: undefined },
  };
}
let revocations = 0;
const gate: Gate = {
  authenticate,
  admit: (caller, wanted) =>
    admit(() => Promise.reject(new Error("no project is looked for")), caller, wanted),
  revocations: {
    get seen() {
      return revocations;
    },
    read: () => Promise.resolve(revocations),
  },
};

const registered: string[] = [];
const logLines: string[] = [];
const app: FastifyInstance = buildApp({
  log: createLog("trace", { write: (line) => logLines.push(line) }),
  bodyLimitBytes: BODY_LIMIT_BYTES,
  presentFailure,
  isListedRoute,
});
app.addHook("onRoute", ({ method, url }) => {
  registered.push(`${String(method)} ${url}`);
});
registerHealth(app, {
  readiness: () => ({ ready: true, reasons: [] }),
  metrics: { contentType: "text/plain", text: async () => "" },
});
const folder = mkdtempSync(join(tmpdir(), "claviger-routes-"));
const log = await ChainedLog.open({
  path: join(folder, "audit.db"),
  reservePath: join(folder, "reserve"),
  reserveBytes: 65_536,
  node: "00000000-0000-4000-8000-000000000001",
  clock: systemClock,
  alarms: { raise: (what, detail) => logLines.push(`${what}: ${detail}`) },
});
const requestLog = new RequestLog({ log, taker: { taken: async () => undefined }, clock: systemClock });
await registerNativeRoutes(app, {
  handlers,
  gate,
  requestLog,
  codeOf: (error) => meaningOf(error).code,
});
afterAll(async () => {
  await app.close();
  await log.close();
  rmSync(folder, { recursive: true });
});

function as(role: Role, request: InjectOptions): Promise<LightMyRequestResponse> {
  override = undefined;
  return app.inject({ ...request, headers: { authorization: `Bearer ${role}`, ...request.headers } });
}
const errorOf = (reply: LightMyRequestResponse) => reply.json<ErrorReply>().error;

test("every route of the application is in the role table or open, and every row of the tables is a route", async () => {
  await app.ready();
  const gets = registered.filter((route) => !route.startsWith("HEAD "));
  const listed = [...Object.values(ROUTES), ...Object.values(OPEN_ROUTES)].map(
    ({ method, path }) => `${method} ${path}`,
  );
  expect(gets.toSorted()).toEqual(listed.toSorted());
  expect([...NAMES, ...SIGN_IN_ROUTES].toSorted()).toEqual(ALL.toSorted());
});

test("a route that is in no table cannot be registered", () => {
  const other = buildApp({ log: createLog("silent"), bodyLimitBytes: 1, presentFailure, isListedRoute });
  expect(() => other.get("/v1/keys", () => "")).toThrow("No role table lists the route GET /v1/keys.");
  expect(() => other.delete("/v1/projects", () => "")).toThrow("No role table lists");
  expect(() => other.route({ method: ["GET", "PUT"], url: "/v1/projects", handler: () => "" })).toThrow(
    "PUT /v1/projects",
  );
});

test.for(NAMES.flatMap((name) => ROLES.map((role) => [name, role] as const)))(
  "%s as %s: as the table says",
  async ([name, role]) => {
    const reply = await as(role, requestOf(name));
    const { concern, roles: allowed }: Requirement = ROUTE_ROLES[name];
    if (concern === "own" || allowed.includes(role)) {
      expect(reply.statusCode, reply.body).toBe(200);
      return;
    }
    expect(reply.statusCode).toBe(403);
    expect(errorOf(reply)).toMatchObject({ code: "forbidden", category: "forbidden" });
    for (const one of allowed) expect(errorOf(reply).message).toContain(one);
  },
);

test("a route concerns a project or a principal exactly if its path names one", () => {
  for (const name of NAMES) {
    const { path } = ROUTES[name];
    const { concern }: Requirement = ROUTE_ROLES[name];
    expect([name, concern === "project"]).toEqual([name, path.includes("/:project")]);
    if (concern === "principal") expect(path, name).toContain("/:principal");
  }
});

test("a reply that bears a key does not leave when something was revoked meanwhile: it is made anew", async () => {
  let made = 0;
  const encrypt = {
    method: "POST",
    url: "/v1/projects/p/keys/k/encrypt",
    payload: { plaintext: "" },
    headers: { authorization: "Bearer key-user" },
  } as const;
  override = () => {
    made += 1;
    if (made === 1) revocations += 1;
    return { ...(sampleOf(rowOf("encrypt").reply) as object), keyVersion: made };
  };
  expect((await app.inject(encrypt)).json()).toMatchObject({ keyVersion: 2 });
  override = () => {
    revocations += 1;
    return sampleOf(rowOf("encrypt").reply);
  };
  expect(errorOf(await app.inject(encrypt))).toMatchObject({ code: "rights-moved" });
  override = undefined;
});

test("an auditor reads everything and changes nothing", () => {
  for (const name of NAMES) {
    const { concern, roles }: Requirement = ROUTE_ROLES[name];
    const allowed = concern === "own" || roles.includes("auditor");
    expect([name, allowed]).toEqual([name, ROUTES[name].method === "GET"]);
  }
});

test.for([
  ["no token", {}],
  ["an unknown token", { authorization: "Bearer nobody" }],
  ["another scheme", { authorization: "Basic YWRtaW46YWRtaW4=" }],
  ["a scheme without token", { authorization: "Bearer" }],
  ["a token with a space in it", { authorization: "Bearer administrator x" }],
  ["a token without end", { authorization: `Bearer ${"a".repeat(5000)}` }],
  ["a token in another header", { "x-token": "administrator" }],
] as const)("every route refuses %s before it reads the body", async ([, headers]) => {
  for (const name of NAMES) {
    const reply = await app.inject({
      ...requestOf(name),
      headers: { ...headers, "content-type": "text/nonsense" },
      ...(ROUTES[name].method === "GET" ? {} : { payload: "{not JSON" }),
    });
    expect(reply.statusCode, name).toBe(401);
    expect(reply.headers["www-authenticate"]).toBe("Bearer");
    expect(errorOf(reply)).toMatchObject({
      code: "unauthenticated",
      requestId: reply.headers["x-request-id"],
    });
  }
});

test("the name of the scheme is taken in any case", async () => {
  for (const scheme of ["bearer", "BEARER", "Bearer"]) {
    const reply = await app.inject({
      method: "GET",
      url: "/v1/status",
      headers: { authorization: `${scheme} auditor` },
    });
    expect(reply.statusCode).toBe(200);
  }
});

test("signing in needs no token, is validated as everything is, and knows no caller", async () => {
  expect(SIGN_IN_ROUTES).toEqual(["beginSignIn", "signIn"]);
  for (const name of SIGN_IN_ROUTES) {
    lastCaller = "none";
    const reply = await app.inject(requestOf(name));
    expect(reply.statusCode, reply.body).toBe(200);
    expect(reply.json(), name).toEqual(sampleOf(rowOf(name).reply));
    expect(lastCaller).toBeTypeOf("function"); // nobody, but the way to say who it turns out to be
    const refused = await app.inject(post(rowOf(name).path, { idToken: "", admin: true }));
    expect([refused.statusCode, errorOf(refused).code]).toEqual([400, "invalid-request"]);
  }
});

test("the open routes need no token", async () => {
  for (const { path } of Object.values(OPEN_ROUTES))
    expect((await app.inject(path)).statusCode, path).toBe(200);
});

test("a handler gets the parts of its route, validated, and its caller", async () => {
  await as("auditor", { method: "GET", url: "/v1/projects/p1/keys?limit=7&after=12" });
  expect(lastInput).toEqual({ params: { project: "p1" }, query: { limit: 7, after: "12" } });
  expect(lastCaller).toMatchObject({ name: "some-auditor" });

  await as("key-user", {
    method: "POST",
    url: "/v1/projects/p1/keys/k1/encrypt",
    payload: { plaintext: "", context: { a: "b" } },
  });
  expect(lastInput).toEqual({
    params: { project: "p1", key: "k1" },
    body: { plaintext: "", context: { a: "b" } },
  });

  await as("operator", { method: "GET", url: "/v1/units" });
  expect(lastInput).toEqual({});
});

test("members that the schema of a reply does not list never leave", async () => {
  for (const name of NAMES) {
    const reply = await as("administrator", requestOf(name));
    expect(reply.statusCode, name).toBe(200);
    expect(reply.body, name).not.toContain("leaked");
    expect(reply.json(), name).toEqual(sampleOf(rowOf(name).reply));
  }
});

test("no reply schema makes the first reply wait while a validator for its branches is compiled", () => {
  for (const name of NAMES)
    expect(JSON.stringify(rowOf(name).reply), name).not.toMatch(/"(?:anyOf|oneOf|if)"/);
});

test("a reply that lacks a member of its schema is an internal failure, not half a reply", async () => {
  const reply = await inCase(() => ({ id: "x" }), { method: "GET", url: "/v1/changes/plan" });
  expect(reply.statusCode).toBe(500);
  expect(errorOf(reply)).toMatchObject({ code: "internal" });
});

test("members that may be null are sent as null or as their value", async () => {
  const unit = sampleOf(rowOf("getUnit").reply) as Record<string, unknown>;
  for (const reason of [null, "out for repair", ""]) {
    const reply = await inCase(() => ({ ...unit, reason }), { method: "GET", url: "/v1/units/03.0033" });
    expect(reply.json()).toEqual({ ...unit, reason });
  }
  const change = sampleOf(rowOf("getChange").reply) as Record<string, unknown>;
  const request = requestOf("getChange");
  for (const rowsPerSecond of [null, 500]) {
    const nullable = { rowsPerSecond, approval: null, to: null, restores: null };
    const reply = await inCase(() => ({ ...change, ...nullable }), request);
    expect(reply.json()).toEqual({ ...change, ...nullable });
  }
});

function inCase(reply: () => unknown, request: InjectOptions): Promise<LightMyRequestResponse> {
  override = reply;
  return app.inject({ ...request, headers: { authorization: "Bearer administrator" } });
}

test("failures of a handler leave as their code, with the status of their category", async () => {
  for (const [failure, status, headers] of [
    [new Failure("key-not-found"), 404, {}],
    [new Failure("key-disabled"), 409, {}],
    [new Failure("change-not-ready"), 412, {}],
    [new Failure("mutations-frozen"), 423, {}],
    [new Failure("store-full"), 503, { "retry-after": "1" }],
    [new Failure("ciphertext-refused"), 400, {}],
    [new Failure("record-not-vouched"), 500, {}],
  ] as const) {
    const reply = await inCase(
      () => {
        throw failure;
      },
      { method: "GET", url: "/v1/status" },
    );
    expect([reply.statusCode, errorOf(reply).code]).toEqual([status, failure.code]);
    expect(reply.headers).toMatchObject(headers);
    expect(errorOf(reply)).toMatchObject({ category: failure.category, advice: failure.advice });
  }
});

test("an error of a handler that is no Failure leaves as internal, without its stack or message", async () => {
  const reply = await inCase(
    () => {
      throw new Error("SELECT secret");
    },
    { method: "GET", url: "/v1/status" },
  );
  expect(reply.statusCode).toBe(500);
  expect(errorOf(reply)).toMatchObject({ code: "internal", requestId: reply.headers["x-request-id"] });
  expect(reply.body).not.toMatch(/SELECT|routes\.test/);
});

const KEY = "/v1/projects/p1/keys/k1";
const CHANGE = "/v1/changes/00000000-0000-4000-8000-000000000000";
const deep = `{"plaintext":"","context":${"[".repeat(30_000)}${"]".repeat(30_000)}}`;
const deepObject = `{"name":${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}}`;
test.for<[string, InjectOptions, number, string, string | undefined]>([
  ["an unknown member", post("/v1/projects", { name: "p1", admin: true }), 400, "invalid-request", "admin"],
  ["a member of a wrong type", post("/v1/projects", { name: 7 }), 400, "invalid-request", "name"],
  ["a name that is no name", post("/v1/projects", { name: "No Name" }), 400, "invalid-request", "name"],
  [
    "a name with a line feed behind it",
    post("/v1/projects", { name: "name\n" }),
    400,
    "invalid-request",
    "name",
  ],
  ["a missing member", post("/v1/projects", {}), 400, "invalid-request", "name"],
  ["a body that is a list", post("/v1/projects", [{ name: "p1" }]), 400, "invalid-request", "body"],
  ["a missing body", { method: "POST", url: "/v1/projects" }, 400, "invalid-request", "body"],
  ["a body that is null", post("/v1/projects", "null"), 400, "invalid-request", "body"],
  [
    "an unknown role",
    post("/v1/principals", { name: "n", grants: [{ role: "auditor" }, { role: "root" }] }),
    400,
    "invalid-request",
    "grants[1].role",
  ],
  ["no role", post("/v1/principals", { name: "n", grants: [] }), 400, "invalid-request", "grants"],
  [
    "a context value that is no string",
    post(`${KEY}/encrypt`, { plaintext: "", context: { "a b/c": 1 } }),
    400,
    "invalid-request",
    'context["a b/c"]',
  ],
  [
    "text that is not base64",
    post(`${KEY}/encrypt`, { plaintext: "a" }),
    400,
    "invalid-request",
    "plaintext",
  ],
  [
    "a plaintext over the limit",
    post(`${KEY}/encrypt`, { plaintext: "A".repeat(90_000) }),
    400,
    "invalid-request",
    "plaintext",
  ],
  [
    "a number as text in a body",
    post(`${KEY}/data-key`, { lengthBytes: "32" }),
    400,
    "invalid-request",
    "lengthBytes",
  ],
  [
    "a number out of range",
    post(`${KEY}/data-key`, { lengthBytes: 65 }),
    400,
    "invalid-request",
    "lengthBytes",
  ],
  ["a body where none is taken", post(`${KEY}/rotate`, { force: true }), 400, "invalid-request", "force"],
  ["a list where no body is taken", post(`${KEY}/rotate`, []), 400, "invalid-request", "body"],
  [
    "a body with DELETE",
    { ...post("/v1/units/03.0033", { force: true }), method: "DELETE" },
    400,
    "invalid-request",
    "force",
  ],
  [
    "a body with GET",
    { ...post("/v1/units/03.0033", { force: true }), method: "GET" },
    400,
    "invalid-request",
    "body",
  ],
  ["a unit that is no address", { url: "/v1/units/3.33" }, 400, "invalid-request", "unit"],
  ["a change that is no UUID", { url: `${CHANGE}x` }, 400, "invalid-request", "change"],
  ["a path that climbs", { url: "/v1/projects/..%2f..%2fetc/keys" }, 400, "invalid-request", "project"],
  ["an unknown query parameter", { url: "/v1/projects?order=name" }, 400, "invalid-request", "order"],
  ["a query where none is taken", { url: "/v1/status?verbose=1" }, 400, "invalid-request", "verbose"],
  ["a limit that is no integer", { url: "/v1/projects?limit=1.5" }, 400, "invalid-request", "limit"],
  ["a limit that is text", { url: "/v1/projects?limit=5n" }, 400, "invalid-request", "limit"],
  ["an empty limit", { url: "/v1/projects?limit=" }, 400, "invalid-request", "limit"],
  ["a limit given twice", { url: "/v1/projects?limit=1&limit=2" }, 400, "invalid-request", "limit"],
  ["a limit out of range", { url: "/v1/projects?limit=1001" }, 400, "invalid-request", "limit"],
  ["a query with __proto__", { url: "/v1/projects?__proto__=1" }, 400, "invalid-request", "__proto__"],
  [
    "a body over the limit",
    post("/v1/projects", " ".repeat(BODY_LIMIT_BYTES + 1)),
    413,
    "body-too-large",
    "body",
  ],
  [
    "another content type",
    post("/v1/projects", "name=p1", "application/x-www-form-urlencoded"),
    400,
    "invalid-request",
    "content-type",
  ],
  ["malformed JSON", post("/v1/projects", '{"name":'), 400, "invalid-request", "body"],
  ["__proto__", post("/v1/projects", '{"name":"p1","__proto__":{"a":1}}'), 400, "invalid-request", "body"],
  [
    "__proto__ in a context",
    post(`${KEY}/encrypt`, '{"plaintext":"","context":{"__proto__":"a"}}'),
    400,
    "invalid-request",
    "body",
  ],
  ["deep lists", post(`${KEY}/encrypt`, deep), 400, "invalid-request", "context"],
  ["deep objects", post("/v1/projects", deepObject), 400, "invalid-request", "name"],
  ["an unknown route", { url: "/v1/keys" }, 404, "route-not-found", undefined],
  ["a known path with a slash behind it", { url: "/v1/status/" }, 404, "route-not-found", undefined],
  ["a known path in capitals", { url: "/V1/STATUS" }, 404, "route-not-found", undefined],
  [
    "another method of a known path",
    { method: "DELETE", url: "/v1/projects" },
    404,
    "route-not-found",
    undefined,
  ],
  ["OPTIONS", { method: "OPTIONS", url: "/v1/projects" }, 404, "route-not-found", undefined],
])("refuses %s", async ([, request, status, code, field]) => {
  const reply = await as("administrator", request);
  expect([reply.statusCode, errorOf(reply).code, errorOf(reply).field]).toEqual([status, code, field]);
  if (field !== undefined && code === "invalid-request") expect(errorOf(reply).message).not.toBe("");
});

test("names the field in the message, with what is expected of it", async () => {
  const unit = await as("administrator", { url: "/v1/units/3.33" });
  expect(errorOf(unit).message).toBe(
    "`unit` does not have the form expected: card.domain in hex, as 03.0033.",
  );
  const roles = await as("administrator", post("/v1/principals", { name: "n", grants: [{ role: "root" }] }));
  expect(errorOf(roles).message).toBe(`\`grants[0].role\` must be one of ${ROLES.join(", ")}.`);
  const extra = await as("administrator", post("/v1/projects", { name: "p", ["x".repeat(5000)]: 1 }));
  expect(errorOf(extra).field?.length).toBeLessThan(200);
});

test("an empty object passes where no body is taken, for clients that always send JSON", async () => {
  expect((await as("key-admin", post(`${KEY}/rotate`, {}))).statusCode).toBe(200);
});

test("HEAD is GET without its body, under the same roles", async () => {
  const allowed = await as("auditor", { method: "HEAD", url: "/v1/status" });
  expect([allowed.statusCode, allowed.body]).toEqual([200, ""]);
  expect((await as("key-user", { method: "HEAD", url: "/v1/status" })).statusCode).toBe(403);
  expect((await app.inject({ method: "HEAD", url: "/v1/status" })).statusCode).toBe(401);
});

test("neither plaintext nor token enters the log, even at its finest level", async () => {
  const plaintext = Buffer.from("the secret of the test").toString("base64");
  logLines.length = 0;
  await as("key-user", post(`${KEY}/encrypt`, { plaintext }));
  await as("key-user", post(`${KEY}/encrypt`, { plaintext: `${plaintext}!` }));
  expect(logLines.length).toBeGreaterThan(0);
  expect(logLines.join("")).not.toMatch(new RegExp(`${plaintext}|Bearer`));
});

test("the document that is served is the one that is committed", async () => {
  const committed = readFileSync(new URL("../../../../../docs/openapi.json", import.meta.url), "utf8");
  const reply = await app.inject("/v1/openapi.json");
  expect(reply.headers["content-type"]).toContain("application/json");
  expect(reply.json()).toEqual(JSON.parse(committed));
});

function post(url: string, payload: unknown, type = "application/json"): InjectOptions {
  const text = typeof payload === "string" ? payload : JSON.stringify(payload);
  return { method: "POST", url, payload: text, headers: { "content-type": type } };
}
