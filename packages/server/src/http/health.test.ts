import { afterEach, expect, test } from "vitest";
import { createLog } from "../ops/log.ts";
import { buildApp } from "./app.ts";
import { registerHealth } from "./health.ts";
import type { Readiness } from "./health.ts";

let readiness: Readiness = { ready: true, reasons: [] };

const app = buildApp({
  log: createLog("silent"),
  bodyLimitBytes: 100,
  presentFailure: ({ code }) => ({ status: 500, headers: {}, body: { code } }),
  isListedRoute: () => true,
});
registerHealth(app, {
  readiness: async () => readiness,
  metrics: { contentType: "text/plain; version=0.0.4; charset=utf-8", text: async () => "claviger_up 1\n" },
});

afterEach(() => {
  readiness = { ready: true, reasons: [] };
});

test("/livez is 200 while the event loop runs, ready or not", async () => {
  readiness = { ready: false, reasons: ["No crypto unit serves."] };
  const reply = await app.inject("/livez");
  expect([reply.statusCode, reply.json()]).toEqual([200, { live: true }]);
});

test("/readyz is 200 when ready, and 503 with the reasons when not", async () => {
  const ready = await app.inject("/readyz");
  expect([ready.statusCode, ready.json()]).toEqual([200, { ready: true, reasons: [] }]);

  readiness = { ready: false, reasons: ["No crypto unit serves."] };
  const reply = await app.inject("/readyz");
  expect([reply.statusCode, reply.json()]).toEqual([
    503,
    { ready: false, reasons: ["No crypto unit serves."] },
  ]);
});

test("/metrics is text for Prometheus", async () => {
  const reply = await app.inject("/metrics");
  expect([reply.statusCode, reply.headers["content-type"], reply.body]).toEqual([
    200,
    "text/plain; version=0.0.4; charset=utf-8",
    "claviger_up 1\n",
  ]);
});

test("supervisors may ask with HEAD", async () => {
  const reply = await app.inject({ method: "HEAD", url: "/readyz" });
  expect([reply.statusCode, reply.body]).toEqual([200, ""]);
});
