import { backupRestoreVerb } from "./backup-restore.ts";
import { backupVerifyVerb } from "./backup-verify.ts";
import { configCheckVerb } from "./config-check.ts";
import { configPrintVerb } from "./config-print.ts";
import { doctorVerb } from "./doctor.ts";
import { serveVerb } from "./serve.ts";
import type { Verb } from "./verb.ts";

/** Every verb of `clavigerd`, in the order of its help. */
export const VERBS: readonly Verb[] = [
  serveVerb,
  configCheckVerb,
  configPrintVerb,
  doctorVerb,
  backupVerifyVerb,
  backupRestoreVerb,
];

/** What the nouns of VERBS are, for lists. */
export const NOUNS: Readonly<Record<string, string>> = {
  backup: "Backups, without a running daemon",
  config: "The configuration: one TOML file, the environment, and flags",
};
