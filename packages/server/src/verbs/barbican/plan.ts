import { countRows } from "../../core/barbican/census.ts";
import type { RotationPlan } from "../../core/barbican/rotation-plan.ts";
import { labelsOf, planRotation } from "../../core/barbican/rotation-plan.ts";
import { EXIT_STATUS } from "../../core/errors.ts";
import { count, counted, paint, printable, show } from "../output.ts";
import type { Verb } from "../verb.ts";
import { wantsJson, withJson } from "../verb.ts";
import { censusTable } from "./census-table.ts";
import type { CommonOptions, TargetOptions } from "./common-options.ts";
import { targetOf, withTarget, withToken } from "./common-options.ts";
import { openBarbican, readConfig } from "./open-barbican.ts";
import { rotationSteps } from "./rotation-steps.ts";

export const barbicanPlanVerb: Verb = {
  words: ["barbican", "plan"],
  readsConfig: false,
  about:
    "Say what a rotation of a Barbican's master keys will do: which project keys move, what is in the way, and in which order keys are made, barbican.conf is changed and services are restarted. Changes nothing. Exit status 0: nothing is in the way; 3: something is.",
  example: "clavigerd barbican plan --mkek-label mkek_2026 --hmac-label hmac_2026",
  withOptions: (command) => withJson(withTarget(withToken(command))),
  run: async (call) => {
    const options: CommonOptions & TargetOptions = call.options;
    const read = readConfig(options, call.sources);
    await using barbican = await openBarbican(read, options, call.sources);
    const { database, token } = barbican;
    const configured = read.config.current;
    const target = targetOf(options, configured);
    const census = await countRows(database);
    const findings = await token.find(labelsOf(census, target));
    const plan = planRotation({ census, target, configured, findings });
    const steps = rotationSteps(plan, read);
    show({ database: database.facts, token: token.facts, census, ...plan, steps }, wantsJson(call), () =>
      [
        censusTable(census),
        "",
        ...summary(plan),
        "",
        ...(steps.length === 0 ? ["There is nothing to do."] : []),
        ...steps.map(({ what, commands }, i) =>
          [`${i + 1}. ${what}`, ...commands.map((line) => `     ${line}`)].join("\n"),
        ),
      ].join("\n"),
    );
    return plan.inTheWay.length === 0 ? 0 : EXIT_STATUS.precondition;
  },
};

function summary({ rows, target, inTheWay, warnings }: RotationPlan): readonly string[] {
  const { mkekLabel, hmacLabel, mechanism, generatesIv } = target;
  return [
    `To MKEK ${printable(mkekLabel)}, HMAC key ${printable(hmacLabel)}, ${mechanism} ${generatesIv ? "with" : "without"} an IV:`,
    `${count(rows.toMove)} project keys move, ${count(rows.already)} are there.`,
    ...(rows.unbound > 0
      ? [`${counted(rows.unbound, "row has", "rows have")} no key yet: Barbican makes it when it needs one.`]
      : []),
    ...inTheWay.map((text) => `${paint("red", "in the way:")} ${printable(text)}`),
    ...warnings.map((text) => `${paint("yellow", "know before:")} ${printable(text)}`),
  ];
}
