import type { RotationPlan } from "../../core/barbican/rotation-plan.ts";
import { printable } from "../output.ts";
import type { ReadConfig } from "./open-barbican.ts";

export interface RotationStep {
  readonly what: string;
  /** What is typed, or set in a file. */
  readonly commands: readonly string[];
}

/**
 * A rotation from its beginning to its end, without what is done already. New project keys are made under the new labels
 * before the others are moved: so none is left behind, and those that are not moved yet open by the labels of their own.
 * None, where there is nothing to do.
 */
export function rotationSteps(
  plan: RotationPlan,
  { flags: conf }: Pick<ReadConfig, "flags">,
): readonly RotationStep[] {
  const { options, labels, rows } = plan;
  const missing = labels.filter(({ isTarget, finding }) => isTarget && finding === "missing");
  const old = labels.filter(({ isTarget }) => !isTarget);
  const toSet = Object.entries(options).map(([name, value]) => `${name} = ${value}`);
  const steps: RotationStep[] = [];
  if (rows.toMove === 0 && toSet.length === 0 && missing.length === 0) return steps;
  if (missing.length > 0)
    steps.push({
      what: "Make the new master keys, and have them in every HSM of the group (replicate them as its vendor says).",
      commands: missing.map(({ use, label }) =>
        use === "mkek"
          ? `clavigerd hsm gen-mkek${conf} --label ${label}`
          : `clavigerd hsm gen-hmac${conf} --label ${label}`,
      ),
    });
  steps.push({
    what: "Try it: every project key is opened, wrapped and opened again, and nothing is written.",
    commands: [`clavigerd barbican rewrap${conf} --dry-run${flagsOf(plan)}`],
  });
  if (toSet.length > 0)
    steps.push({
      what: "On every node, set in [p11_crypto_plugin] of barbican.conf, and restart barbican-api and barbican-worker, one node after the other. They go on reading what is under the old labels.",
      commands: toSet,
    });
  steps.push({
    what: "Move the project keys. Barbican goes on serving; run it again if it is interrupted.",
    commands: [`clavigerd barbican rewrap${conf}`],
  });
  steps.push({
    what: "Open every project key and secret once.",
    commands: [`clavigerd barbican verify${conf} --secrets`],
  });
  if (old.length > 0 && rows.toMove > 0)
    steps.push({
      what: "When the backups that need them are gone: look once more, then delete the old keys with the tools of the HSM.",
      commands: old.map(
        ({ use, label }) => `clavigerd barbican retire-check${conf} --${use} ${label} --dump <each backup>`,
      ),
    });
  return steps.map(({ what, commands }) => ({ what, commands: commands.map(printable) }));
}

/** Before barbican.conf is changed, flags say what it will say. */
function flagsOf({ options }: RotationPlan): string {
  return Object.entries(options)
    .map(([name, value]) => ` --${name.replaceAll("_", "-")} ${value}`)
    .join("");
}
