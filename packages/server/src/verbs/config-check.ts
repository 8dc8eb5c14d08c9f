import { explainConfig, readConfig } from "../ops/config.ts";
import { loadTlsMaterial } from "../ops/tls-material.ts";
import { show } from "./output.ts";
import type { Verb } from "./verb.ts";
import { wantsJson, withJson } from "./verb.ts";

export const configCheckVerb: Verb = {
  words: ["config", "check"],
  about:
    "Check the configuration as the daemon would read it: every key, and the TLS files. It changes nothing, and a daemon that runs goes on with what it has.",
  example: "clavigerd config check --config /etc/claviger/claviger.toml",
  withOptions: withJson,
  run: async (call) => {
    const { env, cwd, readFile, flags } = call.sources;
    const { tls } = readConfig(env, cwd, readFile, flags);
    if (tls !== undefined) loadTlsMaterial(tls);
    const { path } = explainConfig(env, cwd, readFile, flags);
    const from = path ?? "no file, only defaults, environment and flags";
    show({ valid: true, file: path }, wantsJson(call), () => `The configuration is valid (${from}).`);
    return undefined;
  },
};
