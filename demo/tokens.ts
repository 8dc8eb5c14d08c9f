import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { tokenUri } from "../packages/server/src/units/pkcs11/token-uri.ts";
import { softHsmTokens } from "../test/pkcs11/tokens.ts";

/** Tokens that the server's units are, and what it must be told of them. */
export interface DemoTokens extends Disposable {
  readonly addresses: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Fresh SoftHSM tokens in a temporary folder, one for each unit. Their master keys can be copied to each other. */
export function softHsmUnits(units: number): DemoTokens {
  const addresses = Array.from({ length: units }, (_, i) => `01.${String(i + 1).padStart(4, "0")}`);
  const tokens = softHsmTokens(addresses.map((address) => `demo ${address}`));
  const entries = tokens.map(({ module, label, pin, folder }, i) => {
    const pinFile = join(folder, `${addresses[i]}.pin`);
    writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });
    return [addresses[i], tokenUri({ modulePath: module, pinFile, token: label })];
  });
  return {
    addresses,
    environment: {
      ...tokens[0]?.environment,
      CLAVIGER_PKCS11_UNITS: `{ ${entries.map(([address, uri]) => `"${address}" = "${uri}"`).join(", ")} }`,
      CLAVIGER_PKCS11_CLONABLE: JSON.stringify(addresses),
    },
    [Symbol.dispose]: () => {
      for (const token of tokens) token[Symbol.dispose]();
    },
  };
}
