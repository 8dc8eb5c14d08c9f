import { verifyBackupOffline } from "../backup-offline.ts";
import { readConfig } from "../ops/config.ts";
import { progressOnStderr, timeOf } from "./backup-output.ts";
import { show } from "./output.ts";
import type { Verb } from "./verb.ts";
import { wantsJson, withJson } from "./verb.ts";

export const backupVerifyVerb: Verb = {
  words: ["backup", "verify"],
  about:
    "Prove that a backup can be restored with the units of the data folder. It restores into a scratch database, checks the MAC of every row, and has units open KEKs. The database of the data folder is left alone. Exit status 0: the backup is good; 1: it is not.",
  example: "clavigerd backup verify /media/claviger.backup --all",
  withOptions: (command) =>
    withJson(
      command
        .argument("<file>", "the backup file")
        .option("--all", "open every KEK, where otherwise a sample of 1,000 is opened"),
    ),
  run: async (call) => {
    const { env, cwd, readFile, flags } = call.sources;
    const [file = ""] = call.args;
    const { header, findings } = await verifyBackupOffline(readConfig(env, cwd, readFile, flags), {
      file,
      all: call.options["all"] === true,
      onProgress: progressOnStderr("verify"),
    });
    const { problems, keks, keksOpened, rowsVouched } = findings;
    const view = { id: header.id, createdAt: timeOf(header), tables: header.tables, ...findings };
    show(view, wantsJson(call), () =>
      [
        `Backup ${header.id} of ${timeOf(header)}`,
        `Schema ${header.schema}, made by Claviger ${header.claviger} on ${header.node}; rows by table:`,
        ...header.tables.map(({ table, rows }) => `  ${table.padEnd(18)}${String(rows).padStart(10)}`),
        `Opened ${keksOpened} of ${keks} KEKs; checked ${rowsVouched} row MACs.`,
        ...problems.map((problem) => `  problem: ${problem}`),
        problems.length === 0 ? "The backup is good." : "The backup is not good.",
      ].join("\n"),
    );
    return problems.length === 0 ? 0 : 1;
  },
};
