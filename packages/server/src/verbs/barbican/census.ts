import { openDatabase } from "../../barbican/database/open-database.ts";
import { countRows } from "../../core/barbican/census.ts";
import { show } from "../output.ts";
import type { Verb } from "../verb.ts";
import { wantsJson, withJson } from "../verb.ts";
import { censusTable } from "./census-table.ts";
import { withConfigFiles } from "./common-options.ts";
import { readConfig } from "./open-barbican.ts";

export const barbicanCensusVerb: Verb = {
  words: ["barbican", "census"],
  readsConfig: false,
  about:
    "Count the project keys of a Barbican by the labels of their master keys, mechanism and state. It reads the database, and nothing of the token.",
  example: "clavigerd barbican census --config /etc/barbican/barbican.conf",
  withOptions: (command) => withJson(withConfigFiles(command)),
  run: async (call) => {
    const { config } = readConfig(call.options, call.sources);
    config.pin[Symbol.dispose]();
    const database = await openDatabase(config.databaseUrl);
    try {
      const census = await countRows(database);
      show({ database: database.facts, census }, wantsJson(call), () => censusTable(census));
    } finally {
      await database.close();
    }
    return undefined;
  },
};
