import { hash } from "node:crypto";
import { randomSecret } from "./random.ts";

const PREFIX = "clv_";

/** A new bearer token: `clv_` and 32 random bytes in base64url. It is shown once; only its hash is kept. */
export function newAccessToken(): string {
  const bytes = randomSecret(32);
  const token = PREFIX + Buffer.from(bytes).toString("base64url");
  bytes.fill(0);
  return token;
}

/** SHA-256 of a token, 32 bytes: with 256 random bits in it there is nothing that a slow hash could add. */
export function accessTokenHash(token: string): Uint8Array {
  return hash("sha256", token, "buffer");
}

/** The same as text: a name for what is found by it, which costs a third of what the bytes cost. */
export function accessTokenName(token: string): string {
  return hash("sha256", token, "base64");
}
