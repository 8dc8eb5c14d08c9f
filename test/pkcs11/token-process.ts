import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Failure } from "../../packages/server/src/core/errors.ts";
import type { Answer, TokenProcessStart } from "./serve-token.ts";
import { KWP } from "./token-user.ts";
import type { TestToken } from "./tokens.ts";

/** What a process does with a token, by name. */
type Operations = Readonly<Record<string, (...given: never[]) => unknown>>;

/** A process of its own in which a token is used. One call at a time. */
export interface TokenProcess<Does extends Operations> extends AsyncDisposable {
  /** @throws Failure of the same code; any other error by its name and message, the end of the process by its signal. */
  call<Name extends keyof Does>(
    operation: Name,
    ...given: Parameters<Does[Name]>
  ): Promise<ReturnType<Does[Name]>>;
}

/** `file` is one beside this that calls `serveToken`. With a shim, the process loads it in place of the token's own module. */
export async function startTokenProcess<Does extends Operations>(
  file: string,
  token: TestToken,
  through: Pick<TestToken, "module" | "environment"> = token,
): Promise<TokenProcess<Does>> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), {
    env: { ...process.env, ...through.environment },
    execArgv: ["--expose-gc"],
    serialization: "advanced",
  });
  const ended = once(child, "exit").then(([status, signal]) => String(signal ?? status));
  const ask = async (message: object): Promise<unknown> => {
    child.send(message);
    const first = await Promise.race([once(child, "message"), ended]);
    if (!Array.isArray(first)) throw new Error(`the process of the token ended: ${first}`);
    const answer = first[0] as Answer;
    if ("value" in answer) return answer.value;
    throw "failure" in answer ? new Failure(answer.failure) : new Error(answer.error);
  };
  const { software, label, pin, libraryParameters } = token;
  const start: TokenProcessStart = {
    module: through.module,
    label,
    pin,
    kwp: KWP[software],
    ...(libraryParameters === undefined ? {} : { libraryParameters }),
  };
  await ask(start);
  return {
    call: (operation, ...given) => ask({ operation, given }) as never,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
