import { fileURLToPath } from "node:url";
import { compileC } from "../pkcs11/compile.ts";
import type { TestToken } from "../pkcs11/tokens.ts";
import { nssToken } from "../pkcs11/tokens.ts";

/**
 * A token that Barbican 15.0.1 works with, which wraps by CKM_AES_CBC_PAD and nothing else: NSS softokn, through a module
 * of the tests (loadable-nss.c). Its database may be open in several processes, and each sees what another adds, so that
 * a rewrap works on it while Barbican serves.
 *
 * Why no other: SoftHSM 2.6.1 does not wrap by this mechanism; openCryptoki 3.8's soft token wraps, but refuses Barbican's
 * template when it unwraps (CKR_ATTRIBUTE_READ_ONLY), and its slot daemon takes root.
 *
 * The HMAC key must be CKK_GENERIC_SECRET.
 */
export function barbicanToken(): TestToken {
  const { libraryParameters = "", module, environment, ...token } = nssToken();
  return {
    ...token,
    module: compileC({
      source: here("loadable-nss.c"),
      headers: [here("../pkcs11/shim/functions.h")],
      shared: true,
    }),
    environment: {
      ...environment,
      CLAVIGER_NSS_MODULE: module,
      CLAVIGER_NSS_PARAMETERS: libraryParameters,
    },
  };
}

function here(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
