import { backupRestoreVerb } from "./backup-restore.ts";
import { backupVerifyVerb } from "./backup-verify.ts";
import { barbicanCensusVerb } from "./barbican/census.ts";
import { barbicanPlanVerb } from "./barbican/plan.ts";
import { barbicanRetireCheckVerb } from "./barbican/retire-check.ts";
import { barbicanRewrapVerb } from "./barbican/rewrap.ts";
import { barbicanVerifyVerb } from "./barbican/verify.ts";
import { configCheckVerb } from "./config-check.ts";
import { configPrintVerb } from "./config-print.ts";
import { doctorVerb } from "./doctor.ts";
import { hsmVerbs } from "./hsm.ts";
import { serveVerb } from "./serve.ts";
import { unitProbeVerb } from "./unit-probe.ts";
import type { Verb } from "./verb.ts";

/** Every verb of `clavigerd`, in the order of its help. */
export const VERBS: readonly Verb[] = [
  serveVerb,
  configCheckVerb,
  configPrintVerb,
  doctorVerb,
  backupVerifyVerb,
  backupRestoreVerb,
  ...hsmVerbs,
  barbicanPlanVerb,
  barbicanRewrapVerb,
  barbicanCensusVerb,
  barbicanVerifyVerb,
  barbicanRetireCheckVerb,
  unitProbeVerb,
];

/** What the nouns of VERBS are, for lists. */
export const NOUNS: Readonly<Record<string, string>> = {
  barbican:
    "Project keys of an OpenStack Barbican: moved to other master keys in place, counted and opened, beside it as it serves",
  backup: "Backups, without a running daemon",
  config: "The configuration: one TOML file, the environment, and flags",
  hsm: "Master keys of OpenStack Barbican in a PKCS#11 token, as `barbican-manage hsm` makes and finds them",
  unit: "Crypto units, without a running daemon",
};
