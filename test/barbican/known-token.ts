import { randomBytes } from "node:crypto";
import type {
  ProjectKeyTarget,
  WrappedProjectKey,
} from "../../packages/server/src/core/barbican/project-key.ts";
import type { ProjectKeyToken } from "../../packages/server/src/core/barbican/project-key-token.ts";
import { SecretBytes } from "../../packages/server/src/core/secret/secret-bytes.ts";
import { openProjectKeyToken } from "../../packages/server/src/units/pkcs11/barbican/open-project-key-token.ts";
import type { OpenProjectKeyToken } from "../../packages/server/src/units/pkcs11/barbican/open-project-key-token.ts";
import type { TestToken } from "../pkcs11/tokens.ts";
import { HMAC_KEY, MKEK, openInSoftware, wrapInSoftware } from "./vectors.ts";

/* Master keys of a Barbican, old and new, of known value; rows under the old ones; and how a token that has them is opened. */

export const NEW_MKEK = randomBytes(32);
export const NEW_HMAC_KEY = randomBytes(32);
export const OLD = { mkekLabel: "vmkek", hmacLabel: "vhmac" } as const;

export const KEYS = [
  { use: "mkek", label: "vmkek", value: MKEK },
  { use: "hmac", label: "vhmac", value: HMAC_KEY },
  { use: "mkek", label: "neu", value: NEW_MKEK },
  // One label for both, as Barbican allows: the type tells them apart.
  { use: "hmac", label: "neu", value: NEW_HMAC_KEY },
] as const;

/** Under the new master keys. */
export const to = (mechanism: ProjectKeyTarget["mechanism"], generatesIv = false): ProjectKeyTarget => ({
  mkekLabel: "neu",
  hmacLabel: "neu",
  mechanism,
  generatesIv,
});

/** The module, or one that stands before it. */
type Through = Pick<TestToken, "module" | "environment">;

export async function open(
  token: TestToken,
  options: Partial<OpenProjectKeyToken> = {},
  through: Through = token,
): Promise<ProjectKeyToken & AsyncDisposable> {
  using pin = new SecretBytes(Buffer.from(token.pin));
  const { label, libraryParameters } = token;
  const opened = await openProjectKeyToken({
    location: {
      modulePath: through.module,
      labels: ["not there", label],
      ...(libraryParameters !== undefined && { libraryParameters }),
    },
    pin,
    hmacKeyType: "CKK_GENERIC_SECRET",
    hmacMechanism: "CKM_SHA256_HMAC",
    hosts: 2,
    environment: through.environment,
    ...options,
  });
  return Object.assign(opened, { [Symbol.asyncDispose]: () => opened.close() });
}

/** The value in hex, as software opens it under the new master keys; or why it was refused. */
export function valueOf(made: WrappedProjectKey | { readonly refused: string }): string {
  if ("refused" in made) return made.refused;
  return openInSoftware(made, NEW_MKEK, NEW_HMAC_KEY).toString("hex");
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** With one bit changed. */
export function flipped(bytes: Uint8Array, at = bytes.length - 1): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** Project KEKs of all lengths as Barbican would wrap them, and their values in hex. */
export function rowsUnder(
  mechanism: WrappedProjectKey["mechanism"],
  count: number,
): readonly { readonly value: string; readonly key: WrappedProjectKey }[] {
  return Array.from({ length: count }, (_, i) => {
    const value = randomBytes([16, 24, 32][i % 3] ?? 32);
    const iv = mechanism === "CKM_AES_CBC_PAD" ? randomBytes(16) : null;
    return { value: hex(value), key: wrapInSoftware(value, { ...OLD, iv, mechanism }) };
  });
}
