import type { Operations } from "./key-host-process.ts";
import type { TokenProcess } from "./token-process.ts";
import { startTokenProcess } from "./token-process.ts";
import type { TestToken } from "./tokens.ts";

/** A process in which a token's keys are used: what it opens are numbers here. */
export type KeyHost = TokenProcess<Operations>;

export function startKeyHost(
  token: TestToken,
  through?: Pick<TestToken, "module" | "environment">,
): Promise<KeyHost> {
  return startTokenProcess<Operations>("key-host-process.ts", token, through);
}
