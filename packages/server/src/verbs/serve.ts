import { readConfig } from "../ops/config.ts";
import type { Verb } from "./verb.ts";

export const serveVerb: Verb = {
  words: ["serve"],
  about:
    "Run the daemon. On its first start it creates the data folder, a crypto unit, a first master key and the token of an administrator, and says where. SIGTERM stops it in order; SIGHUP has the TLS files read again.",
  example: "clavigerd serve --data /var/lib/claviger",
  withOptions: (command) => command,
  run: async ({ sources: { env, cwd, readFile, flags } }) => {
    const config = readConfig(env, cwd, readFile, flags);
    // Only now, so that the other verbs do not load the whole daemon.
    const { serve } = await import("../main.ts");
    await serve(config);
    return undefined;
  },
};
