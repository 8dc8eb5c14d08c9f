import { restoreBackupOffline } from "../backup-offline.ts";
import { readConfig } from "../ops/config.ts";
import { progressOnStderr, timeOf } from "./backup-output.ts";
import { show } from "./output.ts";
import type { Verb } from "./verb.ts";
import { wantsJson, withJson } from "./verb.ts";

export const backupRestoreVerb: Verb = {
  words: ["backup", "restore"],
  about:
    "Bring a backup into the database that the configuration names: an empty one on PostgreSQL, or none yet in the data folder, which has the units and their PINs. It does not matter which kind the backup is of. An interrupted restore is carried on with by the same command. What is restored is read-only until an administrator accepts it with `claviger store accept-rollback`.",
  example: "clavigerd backup restore /media/claviger.backup --data /var/lib/claviger",
  withOptions: (command) => withJson(command.argument("<file>", "the backup file")),
  run: async (call) => {
    const { env, cwd, readFile, flags } = call.sources;
    const [file = ""] = call.args;
    const onProgress = progressOnStderr("restore");
    const config = readConfig(env, cwd, readFile, flags);
    const { header, unitFailures } = await restoreBackupOffline(config, { file, onProgress });
    for (const { message, advice } of unitFailures)
      process.stderr.write(`clavigerd: ${message}\n  → ${advice}\n`);
    const rows = header.tables.reduce((sum, table) => sum + table.rows, 0);
    const view = { id: header.id, createdAt: timeOf(header), tables: header.tables };
    show(view, wantsJson(call), () =>
      [
        `Restored backup ${header.id} of ${timeOf(header)}.`,
        `It has ${rows} rows. The service is read-only until an administrator runs \`claviger store accept-rollback\`.`,
      ].join("\n"),
    );
    return undefined;
  },
};
