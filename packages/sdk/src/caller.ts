import type { RouteName, RouteReply } from "@claviger/api";
import type { CallInput, CallOptions } from "./call.ts";

/** What the groups of methods need of a client. */
export interface Caller {
  call<R extends RouteName>(route: R, input: CallInput<R>, options?: CallOptions): Promise<RouteReply<R>>;
}

/** Which page of a list: `limit` 1 to 1000, default 100; `after` is `next` of the page before. */
export type PageQuery = CallInput<"listProjects">["query"];

/** Page size of the iterators: the largest the API gives. */
export const WHOLE_PAGE = 1000;
