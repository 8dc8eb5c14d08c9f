import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Failure } from "../../packages/server/src/core/errors.ts";
import type { Answer } from "./key-host-process.ts";
import type { RegisterCall, RegisterHostStart, RegisterOperations } from "./register-host-process.ts";
import { KWP } from "./token-user.ts";
import type { TestToken } from "./tokens.ts";

const PROCESS = fileURLToPath(new URL("register-host-process.ts", import.meta.url));

/** A process of its own that works on the master keys of a token as a unit host does. One call at a time. */
export interface RegisterHost extends AsyncDisposable {
  /** @throws Failure of the same code; any other error by its name and message, the end of the process by its signal. */
  call<Name extends keyof RegisterOperations>(
    operation: Name,
    ...given: Parameters<RegisterOperations[Name]>
  ): Promise<ReturnType<RegisterOperations[Name]>>;
}

/** With a shim, the process loads it in place of the token's own module. */
export async function startRegisterHost(
  token: TestToken,
  through: Pick<TestToken, "module" | "environment"> = token,
): Promise<RegisterHost> {
  const child = fork(PROCESS, {
    env: { ...process.env, ...through.environment },
    execArgv: ["--expose-gc"],
    serialization: "advanced",
  });
  const ended = once(child, "exit").then(([status, signal]) => String(signal ?? status));
  const ask = async (message: RegisterCall | RegisterHostStart): Promise<unknown> => {
    child.send(message);
    const first = await Promise.race([once(child, "message"), ended]);
    if (!Array.isArray(first)) throw new Error(`the process of the registers ended: ${first}`);
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
