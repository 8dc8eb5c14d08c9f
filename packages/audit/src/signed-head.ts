import { createPublicKey, hash, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { HeadRef } from "./entry.ts";

/** What a signature of the audit log says: at this time this was the head of this chain. */
export interface Head extends HeadRef {
  /** RFC 3339, UTC. */
  readonly at: string;
  /** Fingerprint of the key that signs. */
  readonly key: string;
  /** The highest number of the main store's outbox that the log has taken over. */
  readonly outbox: number;
}

export interface SignedHead {
  /** The exact text that was signed: `headText` of what it says. */
  readonly text: string;
  /** Ed25519 (RFC 8032), 64 bytes. */
  readonly signature: Uint8Array;
}

const LABEL = "claviger audit head 1";

export function headText({ chain, seq, hash: digest, at, key, outbox }: Head): string {
  return JSON.stringify({ chain, seq, hash: digest, at, key, outbox });
}

/** The bytes that are signed: label ‖ text. */
export function signedBytes(text: string): Uint8Array {
  return Buffer.from(LABEL + text, "utf8");
}

/** What a signed text says; undefined for one that is none. */
export function parseHead(text: string): Head | undefined {
  let head: Partial<Head>;
  try {
    head = JSON.parse(text) as Partial<Head>;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const { chain, seq, hash: digest, at, key, outbox } = head ?? {};
  const whole =
    typeof chain === "string" &&
    typeof seq === "number" &&
    typeof digest === "string" &&
    typeof at === "string" &&
    typeof key === "string" &&
    typeof outbox === "number";
  // One text for one meaning: members in another order, or more of them, are another text.
  if (!whole) return undefined;
  const parsed = { chain, seq, hash: digest, at, key, outbox };
  return headText(parsed) === text ? parsed : undefined;
}

/** A public key that may sign heads. */
export interface AuditKey {
  /** SHA-256 of the key in DER (SubjectPublicKeyInfo), 64 hex digits: what people compare. */
  readonly fingerprint: string;
  readonly key: KeyObject;
}

/** @throws an Error of node:crypto for what is no key. */
export function auditKey(publicKey: string | Uint8Array): AuditKey {
  const key =
    typeof publicKey === "string"
      ? createPublicKey(publicKey)
      : createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
  const der = key.export({ format: "der", type: "spki" });
  return { fingerprint: hash("sha256", der, "hex"), key };
}

/** The keys of a PEM file, which may hold several. */
export function auditKeysOfPem(pem: string): readonly AuditKey[] {
  const blocks = pem.match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g) ?? [];
  return blocks.map((block) => auditKey(block));
}

const KEY_LABEL = "claviger audit key 1";

/** The bytes that a key signs to introduce the one that follows it: label ‖ the new public key in DER. */
export function introductionBytes(publicKey: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(KEY_LABEL, "utf8"), publicKey]);
}

export function isSignedBy({ key }: AuditKey, { text, signature }: SignedHead): boolean {
  return key.asymmetricKeyType === "ed25519" && verify(null, signedBytes(text), key, signature);
}
