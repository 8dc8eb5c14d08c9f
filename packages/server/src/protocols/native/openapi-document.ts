import { ROUTES } from "@claviger/api";
import Fastify from "fastify";
import { Failure } from "../../core/errors.ts";
import { registerNativeRoutes } from "./routes.ts";
import type { NativePorts } from "./call.ts";

/** The text of docs/openapi.json: the document that a daemon serves, made without one. */
export async function openApiDocument(): Promise<string> {
  const refuse = async (): Promise<never> => {
    throw new Failure("internal");
  };
  const handlers = Object.fromEntries(
    Object.keys(ROUTES).map((name) => [name, refuse]),
  ) as unknown as NativePorts["handlers"];
  const gate = { authenticate: refuse, admit: refuse, revocations: { seen: 0, read: refuse } };
  const app = Fastify();
  const requestLog = { admit: refuse, done: refuse, changing: refuse };
  await registerNativeRoutes(app, { handlers, gate, requestLog, codeOf: () => "internal" });
  await app.ready();
  const document = `${JSON.stringify(app.swagger(), null, 2)}\n`;
  await app.close();
  return document;
}
