import type { ImportAlgorithm } from "../../core/crypto/import-wrap.ts";
import type { OaepHash } from "../../core/crypto/master-key-clone.ts";
import type { SigningSpec } from "../../core/crypto/signature-algorithms.ts";

/** What a probe has proved of a token: the source of the abilities of its unit, and of the capability report. */
export interface TokenFacts {
  readonly identity: TokenIdentity;
  /** Length of the token's own list, which proves nothing. */
  readonly mechanismCount: number;
  /** In the order in which they were proved. */
  readonly findings: readonly Finding[];
  /** What the mechanisms for wrapping keys turned out to be, whatever they are called. */
  readonly keyWrap: readonly KeyWrapFinding[];
  /** Number of the mechanism that is AES key wrap with padding (RFC 5649), if one was proved to be. */
  readonly kwp: number | undefined;
  /** Names of the findings that are proven. */
  readonly proven: readonly ProofName[];
  readonly abilities: ProvenAbilities;
  /** How far the token's clock is ahead of this machine's, in ms. */
  readonly clockAheadMs: number | "none" | "unreadable";
  /** Why it cannot be a unit, a sentence each; none: it can. */
  readonly unfit: readonly string[];
  /** What an operator should know, a sentence each. */
  readonly warnings: readonly string[];
}

export interface TokenIdentity {
  readonly library: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly firmware: string;
  readonly label: string;
  readonly serial: string;
}

export interface ProvenAbilities {
  /** Payloads of suite 3 (docs/wrapped-key-format.md §6). */
  readonly payloadSuite3: boolean;
  readonly signing: readonly SigningSpec[];
  readonly imports: readonly ImportAlgorithm[];
  /** By which OAEP a master key may go to or come from another token, the better one first. */
  readonly cloneWith: readonly OaepHash[];
  readonly recallOld: boolean;
}

export type ProofName =
  | "known-keys"
  | "session-keys"
  | "key-wrap"
  | "odd-lengths"
  | "extractable-enforced"
  | "session-copies"
  | "digest-key"
  | "hmac"
  | "gcm"
  | "cbc-derivation"
  | "ecb"
  | "random"
  | "oaep-sha256"
  | "oaep-sha1"
  | "import-oaep"
  | "import-aes"
  | "sign-rsa"
  | "sign-p256"
  | "sign-p384"
  | "sign-ed25519";

export interface Finding {
  readonly name: ProofName;
  readonly title: string;
  /** `absent`: the token lists no such mechanism, and does not know it. `refused`: it does it wrongly, or not at all. */
  readonly outcome: "proven" | "absent" | "refused";
  /** Why, or a remark; may be empty. */
  readonly note: string;
}

export interface KeyWrapFinding {
  readonly mechanism: number;
  readonly is: KeyWrapKind;
  /** Why; may be empty. */
  readonly note: string;
}

/** What a mechanism turned out to be. Claviger uses `kwp`, which is proved in both directions, and nothing else. */
export const KEY_WRAP_KINDS = {
  kwp: "key wrap with padding, RFC 5649",
  kw: "key wrap without padding, RFC 3394",
  "pkcs7-kw": "RFC 3394 over PKCS#7 padding",
  "cbc-pad": "CBC with padding, without integrity",
  unknown: "none of the known ways",
  refused: "refused",
  absent: "absent",
} as const;

export type KeyWrapKind = keyof typeof KEY_WRAP_KINDS;
