import { randomBytes } from "node:crypto";
import type { ErrorReply, RouteInput, RouteName, RouteReply } from "@claviger/api";

/** What a canned service answers to each of these routes: typed from ROUTES, so that no shape can be made up. */
export type Handlers<R extends RouteName> = {
  readonly [Name in R]: (input: RouteInput<Name>) => RouteReply<Name>;
};

/** A refusal: thrown by handlers, answered in the shape of the API. */
export class Refusal extends Error {
  readonly status: number;
  readonly error: ErrorReply["error"];

  constructor(
    status: number,
    code: string,
    category: ErrorReply["error"]["category"],
    message: string,
    advice: string,
  ) {
    super(message);
    this.status = status;
    this.error = { code, category, message, advice, requestId: "req-1" };
  }
}

export const now = () => new Date().toISOString();
export const randomPattern = () => randomBytes(32).toString("hex");
