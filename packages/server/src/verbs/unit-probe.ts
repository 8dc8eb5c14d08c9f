import { resolve } from "node:path";
import type { Command } from "commander";
import { Option } from "commander";
import { EXIT_STATUS, Failure } from "../core/errors.ts";
import { readConfig } from "../ops/config.ts";
import { capabilityLines, capabilityMarkdown } from "../units/pkcs11/capability-report.ts";
import { probeToken } from "../units/pkcs11/probe-token.ts";
import type { TokenWithPin } from "../units/pkcs11/token-rules.ts";
import { checkPinFile } from "../units/pkcs11/token-rules.ts";
import { parseTokenUri, tokenUri } from "../units/pkcs11/token-uri.ts";
import { show } from "./output.ts";
import type { Verb, VerbCall } from "./verb.ts";
import { wantsJson, withJson } from "./verb.ts";

export const unitProbeVerb: Verb = {
  words: ["unit", "probe"],
  about:
    "Look what a PKCS#11 token can do. It logs in, proves by known answers each mechanism that a crypto unit would use, and says what is missing; of what it makes in the token it leaves nothing. The module need not be in `pkcs11.modules`, for it runs as whoever runs this. Exit status 0: the token can be a crypto unit; 3: it cannot.",
  example:
    "clavigerd unit probe --module /usr/lib/softhsm/libsofthsm2.so --token-label kms --pin-file kms.pin",
  withOptions: (command) => withJson(withToken(command)),
  run: async (call) => {
    const { env, cwd, readFile, flags } = call.sources;
    const { pkcs11 } = readConfig(env, cwd, readFile, flags);
    const token = tokenOf(call);
    const libraryParameters = token.libraryParameters ?? pkcs11.libraryParameters.get(token.modulePath);
    const location = libraryParameters === undefined ? token : { ...token, libraryParameters };
    checkPinFile(location.pinFile);
    const report = await probeToken(location, pkcs11.environment);
    const title = call.options["markdown"];
    show(report, wantsJson(call), () =>
      typeof title === "string"
        ? capabilityMarkdown(report, title, "`claviger unit probe --markdown`").trimEnd()
        : capabilityLines(report).join("\n"),
    );
    return report.unfit.length === 0 ? 0 : EXIT_STATUS.precondition;
  },
};

function withToken(command: Command): Command {
  const uri = new Option("--uri <uri>", "module, token and PIN file as one RFC 7512 URI");
  return command
    .option("--module <path>", "the vendor's PKCS#11 module")
    .option("--token-label <label>", "the token by its label")
    .option("--serial <number>", "the token by its serial number")
    .option("--slot <id>", "the token by its slot, which some modules number anew at every start")
    .option("--pin-file <path>", "the file with the PIN in its first line")
    .addOption(uri.conflicts(["module", "tokenLabel", "serial", "slot", "pinFile"]))
    .option("--markdown <title>", "print a page of Markdown, as docs/devices/ has of each device");
}

/** @throws Failure `invalid-request`, which says what is missing or wrong. */
function tokenOf({ options, sources: { cwd } }: VerbCall): TokenWithPin {
  const given = (name: string): string | undefined => {
    const value = options[name];
    return typeof value === "string" ? value : undefined;
  };
  const path = (name: string): string => {
    const value = given(name);
    if (value === undefined)
      throw new Failure(
        "invalid-request",
        "give --uri, or --module and --pin-file with what names the token",
      );
    return resolve(cwd, value);
  };
  const [token, serial, slot] = [given("tokenLabel"), given("serial"), given("slot")];
  const uri =
    given("uri") ??
    tokenUri({
      modulePath: path("module"),
      pinFile: path("pinFile"),
      ...(token !== undefined && { token }),
      ...(serial !== undefined && { serial }),
      ...(slot !== undefined && { slotId: Number(slot) }),
    });
  const location = parseTokenUri(uri);
  const { pinFile } = location;
  if (pinFile === undefined) throw new Failure("invalid-request", "the PKCS#11 URI has no pin-source");
  return { ...location, pinFile };
}
