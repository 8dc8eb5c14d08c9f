import type { Config } from "../packages/server/src/ops/config.ts";
import { readConfig } from "../packages/server/src/ops/config.ts";

/** What a verb is told that is given a data folder and nothing else. */
export function configOf(dataFolder: string): Config {
  return readConfig({ CLAVIGER_DATA: dataFolder }, "/", () => undefined);
}
