import type { Session } from "../../packages/server/src/units/pkcs11/token/module.ts";
import { Pkcs11Module } from "../../packages/server/src/units/pkcs11/token/module.ts";
import type { TestToken } from "./tokens.ts";

export type TokenToOpen = Pick<TestToken, "module" | "environment" | "libraryParameters" | "label" | "pin">;

/** Looks into the token itself, from this process. */
export function inside<Result>(
  token: TokenToOpen,
  look: (module: Pkcs11Module, session: Session) => Result,
): Result {
  Object.assign(process.env, token.environment);
  const module = new Pkcs11Module({ path: token.module, libraryParameters: token.libraryParameters });
  module.initialise();
  try {
    const found = module.tokens().find(({ label }) => label === token.label);
    if (found === undefined) throw new Error("the token is not there");
    const session = module.openSession(found.slot);
    module.login(session, Buffer.from(token.pin));
    return look(module, session);
  } finally {
    module.finalise();
  }
}
