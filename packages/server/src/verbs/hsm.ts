import { resolve } from "node:path";
import { CommanderError, Option } from "commander";
import type { Command } from "commander";
import { readBarbicanConfig } from "../barbican/config/barbican-config.ts";
import type { HmacKeyType } from "../core/barbican/project-key.ts";
import { HMAC_KEY_TYPES } from "../core/barbican/project-key.ts";
import { isFailure } from "../core/errors.ts";
import { BARBICAN_KEY_GEN_MECHANISMS } from "../units/pkcs11/barbican/barbican-key-job.ts";
import type {
  BarbicanKeyGenMechanism,
  BarbicanKeyJob,
  BarbicanKeyOutcome,
} from "../units/pkcs11/barbican/barbican-key-job.ts";
import { runBarbicanKeyJob } from "../units/pkcs11/barbican/run-barbican-key-job.ts";
import type { TokenLocation } from "../units/pkcs11/token-uri.ts";
import { parseTokenUri } from "../units/pkcs11/token-uri.ts";
import type { CommonOptions } from "./barbican/common-options.ts";
import { withConfigFiles } from "./barbican/common-options.ts";
import { notEmpty, wholeNumber } from "./option-values.ts";
import { show } from "./output.ts";
import { readPin } from "./pin-input.ts";
import type { Verb } from "./verb.ts";
import { wantsJson, withJson } from "./verb.ts";

/*
 * `hsm`: the four verbs of `barbican-manage hsm` that make and look for Barbican's master keys, with its flags, messages
 * and exit statuses (openstack/barbican: barbican/cmd/barbican_manage.py). What differs, on purpose:
 *
 * - barbican.conf is read where --config names it; without, what it would say are flags, with the defaults of its options;
 * - a PIN is not taken from the command line (--passphrase);
 * - the mechanism follows from the key type where none is given, so that a key of another type than AES can be had;
 * - a token can be named by label and serial number, or by a URI.
 */

type Use = "mkek" | "hmac";

interface HsmOptions extends CommonOptions {
  readonly libraryPath?: string;
  readonly slotId?: number;
  readonly tokenLabel?: string;
  readonly serial?: string;
  readonly uri?: TokenLocation;
  readonly label?: string;
  /** Of HMAC keys only: an MKEK is AES. */
  readonly keyType?: HmacKeyType;
  readonly mechanism?: BarbicanKeyGenMechanism;
  readonly length?: number;
}

const DEFAULT_SLOT_ID = 1;
const DEFAULT_LABEL = { mkek: "primarymkek", hmac: "primaryhmac" } as const;
const DEFAULT_KEY_TYPE = "CKK_AES";
const DEFAULT_LENGTH_BYTES = 32;
const MAX_LENGTH_BYTES = 1_024;

const NAMES = { mkek: "master key-encryption key (MKEK)", hmac: "HMAC key" } as const;

const MECHANISM_OF = {
  CKK_AES: "CKM_AES_KEY_GEN",
  CKK_GENERIC_SECRET: "CKM_GENERIC_SECRET_KEY_GEN",
  CKK_SHA256_HMAC: "CKM_NC_SHA256_HMAC_KEY_GEN",
} as const satisfies Record<HmacKeyType, BarbicanKeyGenMechanism>;

const EXAMPLE = "--library-path /usr/lib/softhsm/libsofthsm2.so --token-label kms --pin-file kms.pin";

export const hsmVerbs: readonly Verb[] = [
  {
    words: ["hsm", "gen-mkek"],
    readsConfig: false,
    about:
      "Generate the master key-encryption key (MKEK) of an OpenStack Barbican in a PKCS#11 token, as `barbican-manage hsm gen_mkek` does. A label that the token has already is refused. Exit status 0: it is there; 1: it is not.",
    example: `clavigerd hsm gen-mkek ${EXAMPLE} --label mkek_2026`,
    withOptions: (command) => withLength(withCommonOptions(command, "gen_mkek", "mkek")),
    run: (call) => run("generate", "mkek", call.options, wantsJson(call)),
  },
  {
    words: ["hsm", "check-mkek"],
    readsConfig: false,
    about:
      "Look whether a PKCS#11 token has the MKEK of an OpenStack Barbican, as `barbican-manage hsm check_mkek` does. Exit status 0: it has; 1: it has not, or cannot be asked.",
    example: `clavigerd hsm check-mkek ${EXAMPLE} --label mkek_2026`,
    withOptions: (command) => withCommonOptions(command, "check_mkek", "mkek"),
    run: (call) => run("check", "mkek", call.options, wantsJson(call)),
  },
  {
    words: ["hsm", "gen-hmac"],
    readsConfig: false,
    about:
      "Generate the HMAC key of an OpenStack Barbican in a PKCS#11 token, as `barbican-manage hsm gen_hmac` does. Give the key type that barbican.conf has: Barbican looks for no other. Exit status 0: it is there; 1: it is not.",
    example: `clavigerd hsm gen-hmac ${EXAMPLE} --label hmac_2026 --key-type CKK_GENERIC_SECRET`,
    withOptions: (command) =>
      withMechanism(withLength(withKeyType(withCommonOptions(command, "gen_hmac", "hmac")))),
    run: (call) => run("generate", "hmac", call.options, wantsJson(call)),
  },
  {
    words: ["hsm", "check-hmac"],
    readsConfig: false,
    about:
      "Look whether a PKCS#11 token has the HMAC key of an OpenStack Barbican, as `barbican-manage hsm check_hmac` does; a key of another type does not count. Exit status 0: it has; 1: it has not, or cannot be asked.",
    example: `clavigerd hsm check-hmac ${EXAMPLE} --label hmac_2026 --key-type CKK_GENERIC_SECRET`,
    withOptions: (command) => withKeyType(withCommonOptions(command, "check_hmac", "hmac")),
    run: (call) => run("check", "hmac", call.options, wantsJson(call)),
  },
];

/** The verb goes by Barbican's spelling of it too. */
function withCommonOptions(command: Command, alias: string, use: Use): Command {
  const named = ["config", "libraryPath", "slotId", "tokenLabel", "serial"];
  return withJson(
    withConfigFiles(command.alias(alias), "")
      .option("--library-path <path>", "the PKCS#11 module of the vendor")
      .option("--slot-id <number>", "slot of the token (default: 1)", wholeNumber(0, Number.MAX_SAFE_INTEGER))
      .option("--token-label <label>", "label of the token; instead of the slot", notEmpty)
      .option(
        "--serial <serial>",
        "serial number of the token; instead of the slot, or with the label",
        notEmpty,
      )
      .addOption(
        new Option("--uri <uri>", "module and token as a PKCS#11 URI (RFC 7512); instead of all of these")
          .argParser(locationOf)
          .conflicts(named),
      )
      .option(
        "--pin-file <file>",
        "file whose first line is the PIN (default: `login` of barbican.conf, else ask on the terminal)",
      )
      .addOption(new Option("--passphrase <passphrase>").argParser(refusePassphrase).hideHelp())
      .option(
        "-L, --label <label>",
        `label of the ${NAMES[use]} (default: that of barbican.conf, else ${DEFAULT_LABEL[use]})`,
        notEmpty,
      )
      .option("--hmac-wrap-mechanism <mechanism>", "taken as Barbican takes it; these verbs sign nothing"),
  );
}

function withLength(command: Command): Command {
  const about = `length of the key in bytes (default: ${DEFAULT_LENGTH_BYTES})`;
  return command.option("-l, --length <bytes>", about, wholeNumber(1, MAX_LENGTH_BYTES));
}

function withKeyType(command: Command): Command {
  const names = Object.keys(HMAC_KEY_TYPES);
  return command.addOption(
    new Option(
      "-t, --key-type <type>",
      `type of the key (default: that of barbican.conf, else ${DEFAULT_KEY_TYPE})`,
    ).choices(names),
  );
}

function withMechanism(command: Command): Command {
  const about = "how the key is generated (default: as its type needs it)";
  return command.addOption(
    new Option("-m, --mechanism <mechanism>", about).choices(Object.keys(BARBICAN_KEY_GEN_MECHANISMS)),
  );
}

async function run(
  what: "generate" | "check",
  use: Use,
  options: HsmOptions,
  json: boolean,
): Promise<number> {
  const conf = options.config && readBarbicanConfig(options.config.map((file) => resolve(file)));
  using ofConf = conf?.pin;
  const usualType = use === "hmac" && conf ? conf.hmacKeyType : DEFAULT_KEY_TYPE;
  const { keyType: type = usualType, length: lengthBytes = DEFAULT_LENGTH_BYTES } = options;
  const label = options.label ?? (conf ? conf.current[`${use}Label`] : DEFAULT_LABEL[use]);
  const mechanism = options.mechanism ?? MECHANISM_OF[type];
  const location = options.uri ?? conf?.token ?? locationFromFlags(options);
  const { pinFile, ...withoutPin }: BarbicanKeyJob["location"] = location;
  if (pinFile !== undefined && options.pinFile !== undefined)
    throw usage("the URI has a pin-source, and there is --pin-file: give one of them");
  const file = options.pinFile ?? pinFile;
  using pin = file === undefined && ofConf ? ofConf : await readPin(file);
  const ask: BarbicanKeyJob["ask"] =
    what === "check"
      ? { what, key: { type, label } }
      : { what, key: { type, label, use, mechanism, lengthBytes } };
  const result = await runBarbicanKeyJob({ location: withoutPin, ask }, pin);
  if (result.outcome === "failed") {
    process.stderr.write(`ERROR: ${result.message}\n  → ${result.advice}\n`);
    if (json) process.stderr.write(`${JSON.stringify({ error: result })}\n`);
    return 1;
  }
  show({ outcome: result.outcome, label, keyType: type }, json, ({ outcome }) => SAYS[outcome](use, label));
  return STATUS[result.outcome];
}

type Answer = Exclude<BarbicanKeyOutcome["outcome"], "failed">;

const SAYS = {
  generated: (use) => `${use.toUpperCase()} successfully generated!`,
  exists: (_, label) => `The label ${label} already exists!`,
  found: (_, label) => `Key labeled ${label} found!`,
  absent: (_, label) => `Label ${label} is not set.`,
} as const satisfies Record<Answer, (use: Use, label: string) => string>;

const STATUS = { generated: 0, exists: 1, found: 0, absent: 1 } as const satisfies Record<Answer, number>;

function locationFromFlags({ libraryPath, slotId, tokenLabel, serial }: HsmOptions): TokenLocation {
  if (libraryPath === undefined) throw usage("library_path is required: give --library-path or --uri");
  const isNamed = tokenLabel !== undefined || serial !== undefined;
  const slot = slotId ?? (isNamed ? undefined : DEFAULT_SLOT_ID);
  return {
    modulePath: resolve(libraryPath),
    ...(tokenLabel !== undefined && { token: tokenLabel }),
    ...(serial !== undefined && { serial }),
    ...(slot !== undefined && { slotId: slot }),
  };
}

function locationOf(uri: string): TokenLocation {
  try {
    return parseTokenUri(uri);
  } catch (error) {
    // The usual refusal of an argument repeats it, and this one may have a PIN in it.
    if (isFailure(error, "invalid-request")) throw usage(error.message);
    throw error;
  }
}

function refusePassphrase(): never {
  throw usage(
    "--passphrase is refused: everyone on this machine can read a command line. Give --pin-file, or type the PIN when asked",
  );
}

function usage(message: string): CommanderError {
  return new CommanderError(2, "claviger.hsm", message);
}
