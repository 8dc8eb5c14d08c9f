import { capabilityMarkdown } from "../../packages/server/src/units/pkcs11/capability-report.ts";
import { probeToken } from "../../packages/server/src/units/pkcs11/probe-token.ts";
import type { TokenFacts } from "../../packages/server/src/units/pkcs11/token-facts.ts";
import { isWithout } from "../set-up/without.ts";
import { canStartSoftToken, probeSoftToken } from "./soft-token.ts";
import { tokenToProbe } from "./token-to-probe.ts";
import type { TestToken } from "./tokens.ts";
import { nssToken, softHsmToken } from "./tokens.ts";

/** A page of docs/devices/ that is made from a token which the tests can make themselves. */
export interface DevicePage {
  readonly file: string;
  readonly title: string;
  readonly isHere: () => boolean;
  readonly probe: () => TokenFacts | Promise<TokenFacts>;
}

export const DEVICE_PAGES: readonly DevicePage[] = [
  {
    file: "softhsm.md",
    title: "SoftHSM 2.6.1",
    isHere: () => !isWithout("softhsm2"),
    probe: () => probeNew(softHsmToken),
  },
  {
    file: "nss-softokn.md",
    title: "NSS softokn 3.87",
    isHere: () => !isWithout("nss"),
    probe: () => probeNew(nssToken),
  },
  {
    file: "opencryptoki-soft-token.md",
    title: "openCryptoki 3.8.1, soft token",
    isHere: canStartSoftToken,
    probe: probeSoftToken,
  },
];

/** The text of the page, as the token on this machine gives it. */
export async function devicePage({ title, probe }: DevicePage): Promise<string> {
  return capabilityMarkdown(await probe(), title, "scripts/generate-device-docs.mjs");
}

async function probeNew(newToken: () => TestToken): Promise<TokenFacts> {
  using token = newToken();
  return await probeToken(tokenToProbe(token), token.environment);
}
