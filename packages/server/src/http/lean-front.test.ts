import { once } from "node:events";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { Type } from "typebox";
import { expect, test } from "vitest";
import { createLog } from "../ops/log.ts";
import { buildApp } from "./app.ts";
import type { LeanRoute } from "./lean-front.ts";

const closed = { additionalProperties: false } as const;

function route(more: Partial<LeanRoute> = {}): LeanRoute {
  return {
    operation: "greet",
    method: "POST",
    path: "/v1/people/:name/greet",
    params: Type.Object({ name: Type.String() }, closed),
    body: Type.Object({ word: Type.String() }, closed),
    reply: Type.Object({ said: Type.String(), times: Type.Integer() }),
    begin: ({ params }) => ({
      letIn: async () => undefined,
      run: async ({ body }) => ({
        said: `${(body as { word: string }).word} ${params["name"]}`,
        times: 1,
        secret: 2,
      }),
      refused: async (error) => error,
    }),
    ...more,
  };
}

async function serving(leanRoutes: readonly LeanRoute[], presentFailure?: () => never) {
  const lines: string[] = [];
  const app = buildApp({
    log: createLog("info", { write: (line) => lines.push(line) }),
    bodyLimitBytes: 1000,
    presentFailure: presentFailure ?? (({ code }) => ({ status: 400, headers: {}, body: { code } })),
    isListedRoute: () => true,
    leanRoutes,
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  const { port } = app.server.address() as AddressInfo;
  const send = async (path: string, body: unknown) => {
    const headers = { "content-type": "application/json" };
    const reply = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
    });
    return { status: reply.status, text: await reply.text() };
  };
  return { port, lines, send, [Symbol.asyncDispose]: () => app.close() };
}

test("replies with the members that the schema lists, in its order, and no others", async () => {
  await using served = await serving([route()]);
  const { status, text } = await served.send("/v1/people/ann/greet", { word: "hello" });
  expect([status, text]).toEqual([200, '{"said":"hello ann","times":1}']);
});

test("leaves other paths, methods and lengths of a path to Fastify", async () => {
  await using served = await serving([route()]);
  for (const path of [
    "/v1/people/greet",
    "/v1/people/ann/bea/greet",
    "/v1/people//greet",
    "/v2/people/ann/greet",
  ])
    expect((await served.send(path, { word: "hello" })).text, path).toContain("route-not-found");
});

test("a route whose reply has parts cannot be served so", async () => {
  const parts = Type.Object({ items: Type.Array(Type.String()) });
  await expect(serving([route({ reply: parts })])).rejects.toThrow("has a member that is no scalar: items");
});

test("where not even a refusal can be made, the connection ends, the log says why, and the next one is served", async () => {
  await using served = await serving([route()], () => {
    throw new Error("no refusal");
  });
  const socket = connect(served.port, "127.0.0.1");
  const body = "{";
  socket.write(
    `POST /v1/people/ann/greet HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  socket.on("error", () => undefined);
  await once(socket, "close");
  expect(served.lines.join("")).toContain("A request got no reply.");
  expect((await served.send("/v1/people/ann/greet", { word: "hello" })).status).toBe(200);
});
