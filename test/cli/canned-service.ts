import { randomUUID } from "node:crypto";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import type { RouteName } from "@claviger/api";
import { ROUTES } from "@claviger/api";
import { changeHandlers } from "./canned-changes.ts";
import { hierarchyHandlers } from "./canned-hierarchy.ts";
import type { Handlers } from "./canned-reply.ts";
import { Refusal } from "./canned-reply.ts";
import { unitHandlers } from "./canned-units.ts";

export const TOKEN = "clv_canned";

/**
 * A service that has the native API's routes and shapes and none of its work: it stands in for the daemon where the
 * command line itself is tested. Every reply is typed from ROUTES. It encrypts nothing and keeps nothing.
 */
export async function startCannedService(): Promise<{ address: string; stop: () => void }> {
  const units = unitHandlers();
  const handlers: Handlers<RouteName> = {
    ...hierarchyHandlers(),
    ...units.handlers,
    ...changeHandlers(units.registers),
  };
  const server = http.createServer((request, response) => void answer(handlers, request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop };
}

async function answer(
  handlers: Handlers<RouteName>,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += String(chunk);
  const send = (status: number, value: unknown) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
  };
  try {
    if (request.headers.authorization !== `Bearer ${TOKEN}`) {
      throw new Refusal(
        401,
        "unauthenticated",
        "unauthenticated",
        "The token is not known.",
        "Send a valid token.",
      );
    }
    const url = new URL(request.url ?? "/", "http://canned");
    const [route, params] = routeOf(request.method ?? "", url.pathname);
    const handler: (input: never) => unknown = handlers[route];
    const input = {
      params,
      query: Object.fromEntries(url.searchParams),
      body: body === "" ? undefined : JSON.parse(body),
    };
    send(200, handler(input as never));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    send(error.status, { error: { ...error.error, requestId: randomUUID() } });
  }
}

function routeOf(method: string, path: string): [RouteName, Record<string, string>] {
  const pieces = path.split("/");
  const names = Object.keys(ROUTES) as RouteName[];
  // The plan has a path that a change's id could have too: exact paths come first.
  names.sort((a, b) => Number(ROUTES[a].path.includes(":")) - Number(ROUTES[b].path.includes(":")));
  for (const name of names) {
    const template = ROUTES[name].path.split("/");
    const fits = template.every((piece, nth) => piece.startsWith(":") || piece === pieces[nth]);
    if (ROUTES[name].method !== method || template.length !== pieces.length || !fits) continue;
    const params = template.flatMap((piece, nth) =>
      piece.startsWith(":") ? [[piece.slice(1), decodeURIComponent(pieces[nth] ?? "")]] : [],
    );
    return [name, Object.fromEntries(params) as Record<string, string>];
  }
  throw new Refusal(
    404,
    "route-not-found",
    "absent",
    "There is no such route.",
    "See /v1/openapi.json for the routes.",
  );
}
