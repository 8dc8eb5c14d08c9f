import type { ClavigerClient } from "@claviger/sdk";
import { InvalidArgumentError } from "commander";
import { typedPattern } from "./command.ts";
import { UsageError } from "./exit-status.ts";
import { ask, canAsk, note } from "./terminal.ts";
import { unitTable } from "./unit-table.ts";

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

/** The pattern that someone retyped below the registers of the units that are about to activate it. */
export function confirmedPattern(client: ClavigerClient, id: string): Promise<string> {
  const question = "Retype the verification pattern of NEW to activate it (its first 16 bytes or more)";
  return retypedPattern(question, "--yes and --vp", async () => {
    const { group, type } = await client.changes.get(id);
    const units = (await client.units.list()).filter((unit) => unit.group === group);
    const ofType = units.map((unit) => ({
      ...unit,
      registers: unit.registers.filter((held) => held.type === type),
    }));
    note(unitTable(ofType));
  });
}
