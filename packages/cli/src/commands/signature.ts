import type { Command } from "commander";
import { Option } from "commander";
import { ClavigerError, SIGNATURE_ALGORITHMS, toBase64 } from "@claviger/sdk";
import type { SignatureAlgorithmName } from "@claviger/sdk";
import { inSession, verb, wholeNumber } from "../command.ts";
import { readMessage, readSignature, writeResult } from "../payload-files.ts";
import type { Session } from "../session.ts";

interface UnderKey {
  readonly project: string;
  readonly key: string;
  readonly algorithm?: SignatureAlgorithmName;
  readonly in?: string;
  readonly digest?: boolean;
}
interface SignOptions extends UnderKey {
  readonly out?: string;
}
interface VerifyOptions extends UnderKey {
  readonly signature: string;
  readonly keyVersion?: number;
}

export function signatureCommands(program: Command): void {
  underKey(
    verb(
      program,
      "sign",
      "Sign up to 64 KiB with the current version of a key. The message comes from stdin or --in; the signature, one line of base64, goes to stdout or --out. Keep the version beside it (--json shows it): verify needs it after a rotation.",
      "claviger sign --project billing --key release --in notes.txt --out notes.txt.sig",
    ),
  )
    .option("--out <file>", "write the signature to a file (0600)")
    .action(inSession(sign));

  underKey(
    verb(
      program,
      "verify",
      "Verify a signature of a message by a key. The message comes from stdin or --in, the signature, base64, from a file. Exit status 1 when it is not one.",
      "claviger verify --project billing --key release --in notes.txt --signature notes.txt.sig",
    ),
  )
    .requiredOption("--signature <file>", "what sign wrote")
    .option(
      "--key-version <number>",
      "version that signed (default: the current one)",
      wholeNumber(1, 0xffff_ffff),
    )
    .action(inSession(verify));
}

async function sign(session: Session, { in: path, out, digest, ...under }: SignOptions): Promise<void> {
  const signed = await session.client.keys.sign({
    ...under,
    message: await readMessage(path),
    messageType: digest === true ? "DIGEST" : "RAW",
  });
  const line = toBase64(signed.signature);
  if (out !== undefined) {
    writeResult(out, `${line}\n`);
    if (!session.json) return;
  }
  session.show(signed, () => line);
}

async function verify(
  session: Session,
  { in: path, signature: signaturePath, digest, ...under }: VerifyOptions,
): Promise<void> {
  const signature = await readSignature(signaturePath);
  const verified = await session.client.keys.verify({
    ...under,
    signature,
    message: await readMessage(path),
    messageType: digest === true ? "DIGEST" : "RAW",
  });
  if (!verified.valid) throw notValid(verified.keyVersion);
  session.show(
    verified,
    ({ keyVersion, algorithm }) => `The signature is valid: version ${keyVersion}, ${algorithm}.`,
  );
}

function notValid(keyVersion: number): ClavigerError {
  return new ClavigerError({
    code: "signature-refused",
    category: "invalid",
    message: `The signature is not one of this message by version ${keyVersion} of the key.`,
    advice: "Check message, signature, algorithm and --key-version.",
  });
}

function underKey(command: Command): Command {
  return command
    .requiredOption("--project <name>", "name or id of the project")
    .requiredOption("--key <name>", "name or id of the key")
    .addOption(
      new Option("--algorithm <name>", "default: the usual one of the key").choices(SIGNATURE_ALGORITHMS),
    )
    .option("--in <file>", "read the message from a file")
    .option("--digest", "the input is the raw digest of the message, by the algorithm's hash (RSA only)");
}
