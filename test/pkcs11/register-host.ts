import type { RegisterOperations } from "./register-host-process.ts";
import type { TokenProcess } from "./token-process.ts";
import { startTokenProcess } from "./token-process.ts";
import type { TestToken } from "./tokens.ts";

/** A process that works on the master keys of a token as a unit host does. */
export type RegisterHost = TokenProcess<RegisterOperations>;

export function startRegisterHost(
  token: TestToken,
  through?: Pick<TestToken, "module" | "environment">,
): Promise<RegisterHost> {
  return startTokenProcess<RegisterOperations>("register-host-process.ts", token, through);
}
