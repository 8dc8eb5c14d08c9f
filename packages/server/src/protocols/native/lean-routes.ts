import type { GuardedRouteName, RouteInput } from "@claviger/api";
import { ROUTES } from "@claviger/api";
import { GuardedCall } from "./call.ts";
import type { NativePorts } from "./call.ts";
import type { Asking } from "./auth.ts";

/** Routes that applications call all the time: they may be served without Fastify (http/lean-front.ts). */
const HOT_ROUTES = [
  "encrypt",
  "decrypt",
  "generateDataKey",
  "sign",
  "verify",
] as const satisfies readonly GuardedRouteName[];

/** The hot routes, from the same schemas, roles and handlers as all others. */
export function leanRoutes(ports: NativePorts) {
  return HOT_ROUTES.map((name) => leanRoute(ports, name));
}

function leanRoute<R extends (typeof HOT_ROUTES)[number]>(ports: NativePorts, name: R) {
  const { method, path, params, body, reply } = ROUTES[name];
  return {
    operation: name,
    method,
    path,
    params,
    body,
    reply,
    begin: (asking: Asking) => {
      const call = new GuardedCall(ports, name, asking);
      return {
        letIn: () => call.letIn(),
        run: (input: { readonly params: unknown; readonly body: unknown }) =>
          call.run(input as RouteInput<R>),
        refused: (error: unknown) => call.refused(error),
      };
    },
  };
}
