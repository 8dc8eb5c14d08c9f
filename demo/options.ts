import { parseArgs } from "node:util";

export interface DemoOptions {
  /** Projects that are there before the traffic begins, each with a KEK and a key. */
  readonly projects: number;
  /** Length of the traffic before the change, and of that after it. */
  readonly seconds: number;
  /** Crypto units of the group. */
  readonly units: number;
  /** What they are. */
  readonly unit: UnitKind;
  /** Print one JSON object on stdout instead of the table. */
  readonly json: boolean;
}

const UNIT_KINDS = ["software", "softhsm2"] as const;
type UnitKind = (typeof UNIT_KINDS)[number];

export const USAGE = `Usage: npm run demo -- [--projects N] [--seconds S] [--units U] [--unit KIND] [--json]

Changes the master key of a server that is under load, and counts what was served, failed and lost.

  --projects N   projects, each with a KEK and a key: 1 to 1000000, default 20000
  --seconds S    length of the traffic before and after the change: 1 to 600, default 6
  --units U      crypto units: 1 to 16, default 2
  --unit KIND    what they are: software (default), or softhsm2: SoftHSM tokens, by PKCS#11
  --json         the last line on stdout is one JSON object; the table goes to stderr

Exit status: 0 nothing failed and nothing was lost, 1 something did, 2 wrong usage, 130 interrupted.`;

/** Arguments that mean nothing here; the message names them. */
export class WrongUsage extends Error {}

/**
 * Reads the arguments; undefined when help is asked for.
 * @throws WrongUsage for an option that is not known, or a value that is out of range.
 */
export function readOptions(args: readonly string[]): DemoOptions | undefined {
  const values = parsed(args);
  if (values.help === true) return undefined;
  return {
    projects: wholeNumber("--projects", values.projects, 1_000_000),
    seconds: wholeNumber("--seconds", values.seconds, 600),
    units: wholeNumber("--units", values.units, 16),
    unit: unitKind(values.unit),
    json: values.json === true,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        projects: { type: "string", default: "20000" },
        seconds: { type: "string", default: "6" },
        units: { type: "string", default: "2" },
        unit: { type: "string", default: "software" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    throw new WrongUsage(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function wholeNumber(name: string, text: string, limit: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > limit) {
    throw new WrongUsage(`${name} must be a whole number from 1 to ${limit}, not "${text}"`);
  }
  return value;
}

function unitKind(text: string): UnitKind {
  const kind = UNIT_KINDS.find((each) => each === text);
  if (!kind) throw new WrongUsage(`--unit must be ${UNIT_KINDS.join(" or ")}, not "${text}"`);
  return kind;
}
