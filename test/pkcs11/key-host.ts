import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Failure } from "../../packages/server/src/core/errors.ts";
import type { Answer, Call, KeyHostStart, Operations } from "./key-host-process.ts";
import { KWP } from "./token-user.ts";
import type { TestToken } from "./tokens.ts";

const PROCESS = fileURLToPath(new URL("key-host-process.ts", import.meta.url));

/** A process of its own in which a token's keys are used: what it opens are numbers here. One call at a time. */
export interface KeyHost extends AsyncDisposable {
  /** @throws Failure of the same code; any other error by its name and message. */
  call<Name extends keyof Operations>(
    operation: Name,
    ...given: Parameters<Operations[Name]>
  ): Promise<ReturnType<Operations[Name]>>;
}

/** With a shim, the process loads it in place of the token's own module. */
export async function startKeyHost(
  token: TestToken,
  through: Pick<TestToken, "module" | "environment"> = token,
): Promise<KeyHost> {
  const child = fork(PROCESS, {
    env: { ...process.env, ...through.environment },
    serialization: "advanced",
  });
  const ended = once(child, "exit").then(([status, signal]) => String(signal ?? status));
  const ask = async (message: Call | KeyHostStart): Promise<unknown> => {
    child.send(message);
    const first = await Promise.race([once(child, "message"), ended]);
    if (!Array.isArray(first)) throw new Error(`the process of the token's keys ended: ${first}`);
    const answer = first[0] as Answer;
    if ("value" in answer) return answer.value;
    throw "failure" in answer ? new Failure(answer.failure) : new Error(answer.error);
  };
  const { software, label, pin, libraryParameters } = token;
  await ask({
    module: through.module,
    label,
    pin,
    kwp: KWP[software],
    ...(libraryParameters === undefined ? {} : { libraryParameters }),
  });
  return {
    call: (operation, ...given) => ask({ operation, given }) as never,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
