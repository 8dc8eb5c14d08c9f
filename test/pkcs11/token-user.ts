import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { TestToken } from "./tokens.ts";

const PROCESS = fileURLToPath(new URL("token-user-process.ts", import.meta.url));
/** RFC 5649 (KWP) goes by another number in SoftHSM. */
export const KWP = { softhsm2: 0x21_0a, nss: 0x21_0b } as const;

export interface TokenUse {
  /** `wrap` gives how many bits differ from what was wrapped first; `logIn` logs out before. */
  readonly does: "random" | "wrap" | "logIn" | "mechanisms" | "serial" | "makeTokenKey" | "tokenKeys";
  /** Of the key to be made. */
  readonly label?: string;
  /** Once, if not given. */
  readonly times?: number;
}

export type TokenUserStart = Pick<TestToken, "module" | "libraryParameters" | "label" | "pin"> & {
  readonly wrapMechanism: number;
};

export interface Outcome {
  /** The return code, `CKR_…`; 0 is success. */
  readonly rv: number;
  readonly value?: unknown;
}

/** A process of its own that is logged in to a token. */
export interface TokenUser extends AsyncDisposable {
  /** An outcome for each time. */
  use(use: TokenUse): Promise<readonly Outcome[]>;
  /** The signal by which the process ended, or its status. */
  readonly ended: Promise<string | number>;
}

/** With a shim, the process loads it in place of the token's own module. */
export async function startTokenUser(
  token: TestToken,
  through: Pick<TestToken, "module" | "environment"> = token,
): Promise<TokenUser> {
  const child = fork(PROCESS, { env: { ...process.env, ...through.environment } });
  const ended = once(child, "exit").then(([status, signal]) => (signal ?? status) as string | number);
  const answer = async (message: TokenUse | TokenUserStart): Promise<readonly Outcome[]> => {
    child.send(message);
    const first = await Promise.race([once(child, "message"), ended]);
    if (!Array.isArray(first)) throw new Error(`the token's user ended: ${first}`);
    return first[0] as readonly Outcome[];
  };
  const { software, label, pin, libraryParameters } = token;
  const started = await answer({
    module: through.module,
    label,
    pin,
    wrapMechanism: KWP[software],
    ...(libraryParameters === undefined ? {} : { libraryParameters }),
  });
  if (started[0]?.rv !== 0) {
    child.kill("SIGKILL");
    throw new Error(`the token cannot be used: CKR ${started[0]?.rv}`);
  }
  return {
    use: answer,
    ended,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
