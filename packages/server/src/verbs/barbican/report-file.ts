import { createPrivateKey, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { CommanderError } from "commander";

/*
 * A report for those who were not there: a file of JSON, and if a key is given its signature in a second file, in the forms
 * that openssl knows, so that an auditor needs nothing of Claviger: Ed25519, RSA (PKCS#1 v1.5 with SHA-256) or ECDSA (with
 * SHA-256, DER).
 */

/** The private key of a PEM file. @throws CommanderError where it has none that signs. */
export function readSigningKey(file: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(readFileSync(file));
  } catch {
    // What openssl says of it may have a piece of the file in it.
    throw usage(`${file} is not a PEM file with a private key that needs no passphrase`);
  }
  if (["ed25519", "ec", "rsa"].includes(key.asymmetricKeyType ?? "")) return key;
  throw usage(`the key in ${file} does not sign: give one of Ed25519, EC or RSA`);
}

/** That a file can be written, before anything is done; what is in it stays there until there is more to say. @throws CommanderError. */
export function requireWritable(file: string): void {
  write(file, "", "a");
}

/** Writes the report, and beside it `.sig`, its signature. @throws CommanderError. */
export function writeReport(file: string, report: string, key: KeyObject | undefined): void {
  write(file, report);
  if (key)
    write(
      `${file}.sig`,
      sign(key.asymmetricKeyType === "ed25519" ? null : "sha256", Buffer.from(report), key),
    );
}

function write(file: string, content: string | Uint8Array, flag: "a" | "w" = "w"): void {
  try {
    writeFileSync(file, content, { flag });
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw usage(`${file} cannot be written (${String(error.code)})`);
  }
}

function usage(message: string): CommanderError {
  return new CommanderError(2, "claviger.report", message);
}
