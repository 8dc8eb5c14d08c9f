import type { PrincipalView, RouteReply } from "@claviger/api";
import type { CallInput } from "./call.ts";
import type { Caller } from "./caller.ts";

/** Principals: who may call, and with which roles. */
export class Principals {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Creates a principal. Its token is in the reply and nowhere else. Errors: `principal-exists`. */
  create(principal: CallInput<"createPrincipal">["body"]): Promise<RouteReply<"createPrincipal">> {
    return this.#caller.call("createPrincipal", { body: principal });
  }

  /** Every principal. */
  async list(): Promise<PrincipalView[]> {
    return (await this.#caller.call("listPrincipals", {})).items;
  }
}
