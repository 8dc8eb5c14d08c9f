import { explainConfig, readConfig } from "../ops/config.ts";
import { loadTlsMaterial } from "../ops/tls-material.ts";
import { checkTokenRules } from "../units/pkcs11/token-rules.ts";
import { show } from "./output.ts";
import type { Verb } from "./verb.ts";
import { wantsJson, withJson } from "./verb.ts";

export const configCheckVerb: Verb = {
  words: ["config", "check"],
  about:
    "Check the configuration as the daemon would read it: every key, the TLS files, and the URIs of tokens. It changes nothing, and a daemon that runs goes on with what it has.",
  example: "clavigerd config check --config /etc/claviger/claviger.toml",
  withOptions: withJson,
  run: async (call) => {
    const { env, cwd, readFile, flags } = call.sources;
    const { tls, pkcs11 } = readConfig(env, cwd, readFile, flags);
    if (tls !== undefined) loadTlsMaterial(tls);
    checkTokenRules(pkcs11);
    const { path } = explainConfig(env, cwd, readFile, flags);
    const from = path ?? "no file, only defaults, environment and flags";
    show({ valid: true, file: path }, wantsJson(call), () => `The configuration is valid (${from}).`);
    return undefined;
  },
};
