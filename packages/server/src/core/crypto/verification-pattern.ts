import { createHash } from "node:crypto";
import type { MasterKeyType, Vp } from "../ids.ts";
import type { MasterKeyPair } from "./master-key-pair.ts";
import { masterKeyPairBytes } from "./master-key-pair.ts";

const LABEL = "claviger verification pattern 1";

/**
 * VP of a master key: SHA-256(label ‖ type ‖ wrapping key ‖ MAC key). A token computes it with C_DigestKey, which is
 * why it is a plain hash. The keys have a fixed length at the end, so no two inputs read the same.
 */
export function verificationPattern(type: MasterKeyType, pair: MasterKeyPair): Vp {
  const bytes = masterKeyPairBytes(pair);
  const vp = createHash("sha256").update(verificationPatternLabel(type)).update(bytes).digest("hex");
  bytes.fill(0);
  return vp as Vp;
}

/** What the hash begins with; the two keys follow. */
export function verificationPatternLabel(type: MasterKeyType): Uint8Array {
  return Buffer.from(LABEL + type, "latin1");
}
