import { Failure } from "../../packages/server/src/core/errors.ts";
import type { FailureCode } from "../../packages/server/src/core/errors.ts";
import { TokenSession } from "../../packages/server/src/units/pkcs11/token/token-session.ts";
import type { TestToken } from "./tokens.ts";

export type TokenProcessStart = Pick<TestToken, "module" | "libraryParameters" | "label" | "pin"> & {
  readonly kwp: number;
};

interface Call {
  readonly operation: string;
  readonly given: readonly unknown[];
}

export type Answer =
  { readonly value: unknown } | { readonly failure: FailureCode } | { readonly error: string };

type Operations = Readonly<Record<string, (...given: never[]) => unknown>>;

/**
 * Makes of this process one that does with a token what its parent says, one thing after another (token-process.ts): a
 * native module never runs in the process of a test. `lose` is called when the objects of the session are gone.
 */
export function serveToken(
  begin: (
    token: TokenSession,
    kwp: number,
  ) => { readonly operations: Operations; readonly lose?: () => void },
): void {
  let token: TokenSession;
  let operations: Operations;

  const start = ({ module, libraryParameters, label, pin, kwp }: TokenProcessStart): void => {
    token = new TokenSession({ path: module, libraryParameters }, { label }, Buffer.from(pin), () =>
      begun.lose?.(),
    );
    const begun = begin(token, kwp);
    token.open();
    operations = begun.operations;
  };
  const answer = (message: Call | TokenProcessStart): Answer => {
    try {
      if ("module" in message) return { value: start(message) };
      const run = operations[message.operation] as (...given: readonly unknown[]) => unknown;
      return { value: token.run(() => run(...message.given)) };
    } catch (error) {
      if (error instanceof Failure) return { failure: error.code };
      return { error: String(error) };
    }
  };
  process.on("message", (message: Call | TokenProcessStart) => {
    process.send?.(answer(message));
  });
}
