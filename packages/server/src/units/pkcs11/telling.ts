import { isFailure } from "../../core/errors.ts";
import { Refusal, TokenTrouble } from "./host/outcomes.ts";
import { TokenError } from "./token/module.ts";

/** Runs the work of a unit host, and makes of what it throws what the daemon is told of it. */
export function telling<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw told(error);
  }
}

/** What the token refuses that it should not refuse is trouble with the token. */
function told(error: unknown): unknown {
  if (isFailure(error)) return new Refusal(error.code, error.message);
  if (error instanceof TokenError) return new TokenTrouble(error.message, "here");
  return error;
}
