import { isFailure } from "../../core/errors.ts";
import type { ServicePorts } from "../../core/operations/service-ports.ts";
import { beginSignIn, signIn } from "../../core/operations/sign-in.ts";
import type { SignInHandlers } from "./call.ts";
import { at, principalView, tokenView } from "./translate.ts";

/** The routes by which a person becomes a principal. What fails is noted, without the ID token. */
export function signInHandlers(ports: ServicePorts): SignInHandlers {
  return {
    beginSignIn: async () => {
      const { expiresAtMs, ...begun } = beginSignIn(ports);
      return { ...begun, expiresAt: at(expiresAtMs) };
    },
    signIn: async ({ body }, proved) => {
      try {
        const { principal, record, token } = await signIn(ports, { ...body, proved });
        return { principal: principalView(principal), record: tokenView(record, ports.clock.nowMs()), token };
      } catch (error) {
        if (isFailure(error)) ports.signInFailed(error);
        throw error;
      }
    },
  };
}
