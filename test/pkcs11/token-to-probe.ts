import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TokenToProbe } from "../../packages/server/src/units/pkcs11/probe-token.ts";
import type { TestToken } from "./tokens.ts";

/** Where the token is, with its PIN in a file of its folder; through a shim or another PIN, if one is given. */
export function tokenToProbe(
  token: TestToken,
  { module, pin }: { readonly module?: string; readonly pin?: string } = {},
): TokenToProbe {
  const pinFile = join(token.folder, "pin");
  writeFileSync(pinFile, `${pin ?? token.pin}\n`, { mode: 0o600 });
  const { libraryParameters, label, serial } = token;
  return { modulePath: module ?? token.module, libraryParameters, pinFile, token: label, serial };
}
