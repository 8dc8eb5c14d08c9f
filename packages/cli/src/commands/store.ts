import type { Command } from "commander";
import { inSession, noun, verb } from "../command.ts";

export function storeCommands(program: Command): void {
  const store = noun(program, "store", "The database of the service");

  verb(
    store,
    "accept-rollback",
    "Accept that the database, or the audit log, is of an earlier moment. After a restore, or when a crypto unit has seen a later one, the service is read-only until an administrator does this; who did it is kept. Make sure before that nobody serves a newer one: what was written after that moment is gone.",
    "claviger store accept-rollback",
  ).action(
    inSession(async (session) => {
      session.show({ accepted: await session.client.backups.acceptRollback() }, ({ accepted }) =>
        accepted.map(({ reason }) => `Accepted: ${reason}.`).join("\n"),
      );
    }),
  );
}
