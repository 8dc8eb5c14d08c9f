import { resolve } from "node:path";
import { CommanderError } from "commander";
import { openDatabase } from "../../barbican/database/open-database.ts";
import { labelsInDump } from "../../barbican/dump/dump-labels.ts";
import { countRows } from "../../core/barbican/census.ts";
import { needing, rowsIn } from "../../core/barbican/retirement.ts";
import { counted, show } from "../output.ts";
import type { Verb } from "../verb.ts";
import { wantsJson, withJson } from "../verb.ts";
import { censusTable } from "./census-table.ts";
import type { CommonOptions } from "./common-options.ts";
import { oneMore, withConfigFiles } from "./common-options.ts";
import { readConfig } from "./open-barbican.ts";

interface RetireOptions extends CommonOptions {
  readonly mkek?: string;
  readonly hmac?: string;
  readonly dump?: readonly string[];
}

export const barbicanRetireCheckVerb: Verb = {
  words: ["barbican", "retire-check"],
  readsConfig: false,
  about:
    "Look whether a master key of a Barbican is still needed: by any project key in the database, soft-deleted ones too, or in a dump of it. Exit status 0: nothing needs it; 1: something does.",
  example: "clavigerd barbican retire-check --mkek mkek_2025 --dump /backup/barbican.sql.gz",
  withOptions: (command) =>
    withJson(withConfigFiles(command))
      .option("--mkek <label>", "the MKEK that is to go")
      .option("--hmac <label>", "the HMAC key that is to go")
      .option(
        "--dump <file>",
        "a dump that may be restored: of mysqldump, pg_dump (plain) or sqlite3, gzip'd too, or an SQLite file; several",
        oneMore,
      ),
  run: async (call) => {
    const options: RetireOptions = call.options;
    const { mkek, hmac, dump = [] } = options;
    if (mkek === undefined && hmac === undefined)
      throw new CommanderError(2, "claviger.barbican", "give --mkek, --hmac, or both");
    const { config } = readConfig(options, call.sources);
    config.pin[Symbol.dispose]();
    const database = await openDatabase(config.databaseUrl);
    const places: { readonly place: string; readonly needs: ReturnType<typeof needing> }[] = [];
    try {
      places.push({ place: "the database", needs: needing(await countRows(database), { mkek, hmac }) });
    } finally {
      await database.close();
    }
    for (const file of dump) {
      const lines = await labelsInDump(resolve(call.sources.cwd, file));
      places.push({ place: file, needs: needing(lines, { mkek, hmac }) });
    }
    const rows = places.reduce((sum, { needs }) => sum + rowsIn(needs), 0);
    show({ mkek: mkek ?? null, hmac: hmac ?? null, isNeeded: rows > 0, places }, wantsJson(call), () =>
      places
        .map(({ place, needs }) =>
          needs.length === 0
            ? `Nothing in ${place} needs it.`
            : `${counted(rowsIn(needs), "project key", "project keys")} in ${place} need it, or cannot be read:\n${censusTable(needs)}`,
        )
        .join("\n"),
    );
    return rows > 0 ? 1 : 0;
  },
};
