import { InvalidArgumentError } from "commander";
import { typedPattern } from "./command.ts";
import { UsageError } from "./exit-status.ts";
import { ask, canAsk, note } from "./terminal.ts";

const TRIES = 3;

/**
 * The pattern that someone retyped, in the service's form. Whether it is the right one is for the service to say: it
 * compares with the registers themselves. Where nobody can be asked, a usage error that says what to give instead.
 */
export async function retypedPattern(
  question: string,
  instead: string,
  showFirst: () => Promise<void>,
): Promise<string> {
  if (!canAsk()) {
    throw new UsageError("There is no terminal to retype the verification pattern on.", `Give ${instead}.`);
  }
  await showFirst();
  for (let attempt = 1; ; attempt++) {
    try {
      return typedPattern(await ask(`${question}: `));
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      if (attempt === TRIES)
        throw new UsageError(error.message, "Nothing was done; run the command again.", error);
      note(error.message);
    }
  }
}
