import type { Command } from "commander";
import { wholeNumber } from "./command.ts";
import { UsageError } from "./exit-status.ts";

/** Which PKCS#11 token is meant, and how to get in. */
export interface TokenOptions {
  readonly module: string;
  readonly tokenLabel?: string;
  readonly serial?: string;
  readonly slot?: number;
  readonly pinFile: string;
}

export function withToken(command: Command): Command {
  return command
    .requiredOption("--module <path>", "the vendor's PKCS#11 module, an absolute path")
    .option("--token-label <label>", "the token by its label")
    .option("--serial <number>", "the token by its serial number")
    .option(
      "--slot <id>",
      "the token by its slot, which some modules number anew at every start",
      wholeNumber(0, Number.MAX_SAFE_INTEGER),
    )
    .requiredOption("--pin-file <path>", "the file with the PIN in its first line, an absolute path");
}

/** RFC 7512. Everything that is given must be so of the token. Throws UsageError when nothing names it. */
export function tokenUri({ module, tokenLabel, serial, slot, pinFile }: TokenOptions): string {
  const token = joined(";", { token: tokenLabel, serial, "slot-id": slot?.toString() });
  if (token === "")
    throw new UsageError("Nothing says which token.", "Give --token-label, --serial or --slot.");
  return `pkcs11:${token}?${joined("&", { "module-path": module, "pin-source": pinFile })}`;
}

function joined(separator: string, attributes: Readonly<Record<string, string | undefined>>): string {
  return Object.entries(attributes)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`]))
    .join(separator);
}
