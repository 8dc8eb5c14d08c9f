import type { CensusLine } from "./census.ts";
import type { ProjectKeyTarget } from "./project-key.ts";
import type { LabelFinding } from "./project-key-token.ts";
import { rowsIn } from "./retirement.ts";

/** A master key by its label, and whether the token has it. */
export interface PlannedLabel {
  readonly use: "mkek" | "hmac";
  readonly label: string;
  readonly finding: LabelFinding;
  /** Rows that name it now. */
  readonly rows: number;
  readonly isTarget: boolean;
}

export interface RotationPlan {
  readonly target: ProjectKeyTarget;
  readonly rows: {
    readonly toMove: number;
    readonly already: number;
    readonly unbound: number;
    readonly unreadable: number;
  };
  readonly labels: readonly PlannedLabel[];
  /** What would make the rewrap, or rows of it, fail; a sentence each. */
  readonly inTheWay: readonly string[];
  /** What does not stop it, and has to be known before. */
  readonly warnings: readonly string[];
  /** Options of `[p11_crypto_plugin]` in barbican.conf that are to be set on every node, by name; none: they are set. */
  readonly options: Readonly<Record<string, string>>;
}

/** The labels that a rotation is about: those of the rows and those of the target, each once. */
export function labelsOf(
  census: readonly CensusLine[],
  target: ProjectKeyTarget,
): readonly { readonly use: "mkek" | "hmac"; readonly label: string }[] {
  const named = (use: "mkek" | "hmac", wanted: string, member: "mkekLabel" | "hmacLabel") =>
    [...new Set([wanted, ...census.flatMap((line) => line[member] ?? [])])].map((label) => ({ use, label }));
  return [...named("mkek", target.mkekLabel, "mkekLabel"), ...named("hmac", target.hmacLabel, "hmacLabel")];
}

/** What a rotation to the target will do, and what stands in its way. */
export function planRotation(input: {
  readonly census: readonly CensusLine[];
  readonly target: ProjectKeyTarget;
  /** What barbican.conf says now. */
  readonly configured: ProjectKeyTarget;
  /** Of each of `labelsOf`, in their order. */
  readonly findings: readonly LabelFinding[];
}): RotationPlan {
  const { census, target, configured, findings } = input;
  const labels = labelsOf(census, target).map(({ use, label }, i): PlannedLabel => {
    const member = use === "mkek" ? "mkekLabel" : "hmacLabel";
    return {
      use,
      label,
      finding: findings[i] ?? "missing",
      rows: rowsIn(census.filter((line) => line[member] === label)),
      isTarget: label === (use === "mkek" ? target.mkekLabel : target.hmacLabel),
    };
  });
  const readable = census.filter(({ mkekLabel }) => mkekLabel !== null);
  const already = rowsIn(readable.filter((line) => isUnder(line, target)));
  const unreadable = rowsIn(census.filter(({ state }) => state === "unreadable"));
  return {
    target,
    rows: {
      toMove: rowsIn(readable) - already,
      already,
      unbound: rowsIn(census.filter(({ state }) => state === "unbound")),
      unreadable,
    },
    labels,
    inTheWay: [
      ...labels.filter(({ finding }) => finding !== "found").map(obstacle),
      ...(unreadable > 0 ? [`${unreadable} rows cannot be read, and would not come along.`] : []),
    ],
    warnings: warningsOf(census, target),
    options: optionsToSet(target, configured),
  };
}

function isUnder(line: CensusLine, target: ProjectKeyTarget): boolean {
  return (
    line.mkekLabel === target.mkekLabel &&
    line.hmacLabel === target.hmacLabel &&
    line.mechanism === target.mechanism
  );
}

function obstacle({ use, label, finding, rows, isTarget }: PlannedLabel): string {
  const key = use === "mkek" ? "MKEK" : "HMAC key";
  const there = finding === "missing" ? `no ${key}` : `more than one ${key}`;
  const who = isTarget ? "It is the target." : `${rows} rows name it, and would not come along.`;
  return `The token has ${there} labelled ${label}. ${who}`;
}

function warningsOf(census: readonly CensusLine[], { mechanism }: ProjectKeyTarget): readonly string[] {
  if (mechanism === "CKM_AES_CBC_PAD" || census.every((line) => line.mechanism === mechanism)) return [];
  return [
    `Barbican before 20.0.0 (2025.1) cannot read a row that is wrapped by ${mechanism}: no node may run an older one.`,
  ];
}

function optionsToSet(
  target: ProjectKeyTarget,
  configured: ProjectKeyTarget,
): Readonly<Record<string, string>> {
  const isCbc = target.mechanism === "CKM_AES_CBC_PAD";
  return {
    ...(target.mkekLabel !== configured.mkekLabel && { mkek_label: target.mkekLabel }),
    ...(target.hmacLabel !== configured.hmacLabel && { hmac_label: target.hmacLabel }),
    ...(target.mechanism !== configured.mechanism && { key_wrap_mechanism: target.mechanism }),
    // With CKM_AES_CBC_PAD there always is an IV, whatever the option says.
    ...(target.generatesIv !== configured.generatesIv &&
      !isCbc && { key_wrap_generate_iv: target.generatesIv ? "True" : "False" }),
  };
}
