import { explainConfig } from "../ops/config.ts";
import { columns, paint, show } from "./output.ts";
import type { Verb } from "./verb.ts";
import { wantsJson, withJson } from "./verb.ts";

export const configPrintVerb: Verb = {
  words: ["config", "print"],
  about:
    "Print every key of the configuration, its value, and whether that comes from the defaults, the file, the environment or a flag. Secrets and passwords are left out.",
  example: "clavigerd config print",
  withOptions: withJson,
  run: async (call) => {
    const { env, cwd, readFile, flags } = call.sources;
    const explained = explainConfig(env, cwd, readFile, flags);
    show({ file: explained.path, entries: explained.entries }, wantsJson(call), ({ file, entries }) => {
      const rows = entries.map(({ key, value, source }) => [key, source ?? "", shown(value)]);
      const [heading = "", ...lines] = columns([["KEY", "FROM", "VALUE"], ...rows]).split("\n");
      return [`file  ${file ?? "none"}`, "", paint("dim", heading), ...lines].join("\n");
    });
    return undefined;
  },
};

function shown(value: unknown): string {
  if (value === null) return "-";
  return typeof value === "string" ? value : JSON.stringify(value);
}
