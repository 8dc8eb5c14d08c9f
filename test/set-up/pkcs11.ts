import { TOKEN_SOFTWARE, findTokenSoftware } from "../pkcs11/token-software.ts";
import { installDebianPackages } from "./debian-packages.ts";
import { isWithout } from "./without.ts";

/** Runs once before all tests. What cannot be installed is for the tests to say, which fail without it. */
export function setup(): void {
  const names = ["softhsm2", "nss"] as const;
  const missing = names.filter((name) => !isWithout(name) && findTokenSoftware(name) === undefined);
  if (missing.length > 0) installDebianPackages(missing.flatMap((name) => TOKEN_SOFTWARE[name].debian));
}
