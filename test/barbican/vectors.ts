import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import type {
  KeyWrapMechanism,
  SealedSecret,
  WrappedProjectKey,
} from "../../packages/server/src/core/barbican/project-key.ts";

/*
 * Rows that Barbican's own p11_crypto plugin has made with master keys of known value (vectors/barbican-vectors.json), and
 * what it would make, in software, by node:crypto: an implementation that shares nothing with what is tested.
 */

interface Vectors {
  readonly mkek_hex: string;
  readonly hmac_hex: string;
  readonly plaintext: string;
  readonly vectors: readonly {
    readonly plugin_meta: string;
    readonly kek_meta_extended?: string;
    readonly cypher_text?: string;
    readonly pkek_hex?: string;
  }[];
}

const file = JSON.parse(
  readFileSync(new URL("../vectors/barbican-vectors.json", import.meta.url), "utf8"),
) as Vectors;

export const MKEK = Buffer.from(file.mkek_hex, "hex");
export const HMAC_KEY = Buffer.from(file.hmac_hex, "hex");

/** The key as the database has it. */
export function vectorKey(n: number): WrappedProjectKey {
  const meta = JSON.parse(vector(n).plugin_meta) as Readonly<Record<string, string | null>>;
  return {
    iv: meta["iv"] === null ? null : bytesOf(meta["iv"]),
    wrapped: bytesOf(meta["wrapped_key"]),
    hmac: bytesOf(meta["hmac"]),
    mkekLabel: meta["mkek_label"] ?? "",
    hmacLabel: meta["hmac_label"] ?? "",
    mechanism: (meta["key_wrap_mechanism"] ?? "CKM_AES_CBC_PAD") as KeyWrapMechanism,
  };
}

/** What vector n wraps: vector 2 wraps the key of vector 0. */
export function vectorValue(n: number): Buffer {
  return Buffer.from(vector(n).pkek_hex ?? vector(0).pkek_hex ?? "", "hex");
}

export function vectorSecret(n: number): SealedSecret {
  const { kek_meta_extended: meta = "", cypher_text } = vector(n);
  const { iv, mechanism } = JSON.parse(meta) as { readonly iv: string; readonly mechanism: string };
  return {
    mechanism: mechanism as SealedSecret["mechanism"],
    iv: bytesOf(iv),
    ciphertext: bytesOf(cypher_text),
  };
}

/** The value of a wrapped key, whose HMAC is right: over IV and wrapped key. */
export function openInSoftware(
  { iv, wrapped, hmac, mechanism }: WrappedProjectKey,
  mkek: Uint8Array,
  hmacKey: Uint8Array,
): Buffer {
  if (!hmacOf(iv, wrapped, hmacKey).equals(hmac)) throw new Error("the HMAC is another");
  const [name, nonce] = cipherOf(mechanism, iv);
  const decipher = createDecipheriv(name, mkek, nonce);
  return Buffer.concat([decipher.update(wrapped), decipher.final()]);
}

/** A row as Barbican would make it. */
export function wrapInSoftware(
  value: Uint8Array,
  by: Pick<WrappedProjectKey, "iv" | "mechanism" | "mkekLabel" | "hmacLabel">,
  mkek: Uint8Array = MKEK,
  hmacKey: Uint8Array = HMAC_KEY,
): WrappedProjectKey {
  const [name, nonce] = cipherOf(by.mechanism, by.iv);
  const cipher = createCipheriv(name, mkek, nonce);
  const wrapped = Buffer.concat([cipher.update(value), cipher.final()]);
  return { ...by, wrapped, hmac: hmacOf(by.iv, wrapped, hmacKey) };
}

export function hmacOf(iv: Uint8Array | null, wrapped: Uint8Array, hmacKey: Uint8Array = HMAC_KEY): Buffer {
  const hmac = createHmac("sha256", hmacKey);
  if (iv) hmac.update(iv);
  return hmac.update(wrapped).digest();
}

/** RFC 5649, whose first four bytes of the initial value are the IV where there is one. */
function cipherOf(mechanism: KeyWrapMechanism, iv: Uint8Array | null): [string, Uint8Array] {
  if (mechanism !== "CKM_AES_CBC_PAD") return ["id-aes256-wrap-pad", iv ?? Buffer.from("a65959a6", "hex")];
  if (!iv) throw new Error("CBC needs an IV");
  return ["aes-256-cbc", iv];
}

function vector(n: number): Vectors["vectors"][number] {
  const found = file.vectors[n];
  if (!found) throw new Error(`there is no vector ${n}`);
  return found;
}

function bytesOf(base64: string | null | undefined): Buffer {
  if (typeof base64 !== "string") throw new Error("a vector without bytes");
  return Buffer.from(base64, "base64");
}
