import type { Command } from "commander";
import { Option } from "commander";
import type { KeyWrapMechanism, ProjectKeyTarget } from "../../core/barbican/project-key.ts";
import { KEY_WRAP_MECHANISMS } from "../../core/barbican/project-key.ts";
import { notEmpty, wholeNumber } from "../option-values.ts";

/*
 * Options that verbs for a Barbican have in common. What a flag does not say is as barbican.conf has it.
 */

export interface CommonOptions {
  readonly config?: readonly string[];
  readonly pinFile?: string;
  readonly hosts?: number;
}

export interface TargetOptions {
  readonly mkekLabel?: string;
  readonly hmacLabel?: string;
  readonly keyWrapMechanism?: KeyWrapMechanism;
  readonly keyWrapGenerateIv?: "True" | "False";
}

export function withConfigFiles(command: Command, usual = "; default: /etc/barbican/barbican.conf"): Command {
  return command.option(
    "--config <file>",
    `barbican.conf, or a folder of *.conf (several: what stands later counts${usual})`,
    oneMore,
  );
}

/** Of an option that may be given several times. */
export function oneMore(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

export function withToken(command: Command): Command {
  return withConfigFiles(command)
    .option("--pin-file <file>", "file whose first line is the PIN (default: `login` of barbican.conf)")
    .option(
      "--hosts <number>",
      "processes that use the token at once (default: one for each core; 8 to 16 for an HSM in the network)",
      wholeNumber(1, 64),
    );
}

export function withTarget(command: Command): Command {
  return command
    .option("--mkek-label <label>", "the MKEK to move to (default: `mkek_label` of barbican.conf)", notEmpty)
    .option(
      "--hmac-label <label>",
      "the HMAC key to move to (default: `hmac_label` of barbican.conf)",
      notEmpty,
    )
    .addOption(
      new Option(
        "--key-wrap-mechanism <mechanism>",
        "how to wrap (default: `key_wrap_mechanism` of barbican.conf)",
      ).choices(Object.keys(KEY_WRAP_MECHANISMS)),
    )
    .addOption(
      new Option(
        "--key-wrap-generate-iv <boolean>",
        "whether the mechanism gets an IV (default: `key_wrap_generate_iv` of barbican.conf)",
      ).choices(["True", "False"]),
    );
}

export function withRate(command: Command, usual: string): Command {
  return command.option(
    "--rows-per-second <number>",
    `so many rows a second at most (default: ${usual})`,
    wholeNumber(1, 10_000_000),
  );
}

export function targetOf(options: TargetOptions, configured: ProjectKeyTarget): ProjectKeyTarget {
  const mechanism = options.keyWrapMechanism ?? configured.mechanism;
  const wanted = options.keyWrapGenerateIv;
  return {
    mkekLabel: options.mkekLabel ?? configured.mkekLabel,
    hmacLabel: options.hmacLabel ?? configured.hmacLabel,
    mechanism,
    // CKM_AES_CBC_PAD has an IV always.
    generatesIv:
      mechanism === "CKM_AES_CBC_PAD" || (wanted === undefined ? configured.generatesIv : wanted === "True"),
  };
}
