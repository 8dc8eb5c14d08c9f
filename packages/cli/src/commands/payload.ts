import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { Context } from "@claviger/sdk";
import { toBase64 } from "@claviger/sdk";
import { inSession, verb, wholeNumber } from "../command.ts";
import { NewFiles, readCiphertext, readPlaintext, writeResult } from "../payload-files.ts";
import type { Session } from "../session.ts";
import { printBytes, printJson } from "../terminal.ts";

interface InProject {
  readonly project: string;
  readonly context?: Context;
}
interface UnderKey extends InProject {
  readonly key: string;
}
interface Files {
  readonly in?: string;
  readonly out?: string;
}
interface DataKeyOptions extends UnderKey {
  readonly length?: number;
  readonly plaintextOut?: string;
  readonly ciphertextOut?: string;
}

export function payloadCommands(program: Command): void {
  withFiles(
    verb(
      program,
      "encrypt",
      "Encrypt up to 64 KiB under the current version of a key. The plaintext comes from stdin or --in; the ciphertext, one line of base64, goes to stdout or --out. It names its key and version, so that decrypt needs neither.",
      "echo hello | claviger encrypt --project billing --key main --context invoice=42 > hello.sealed",
    ).requiredOption("--key <name>", "name or id of the key"),
    "the plaintext",
  ).action(inSession(encrypt));

  withFiles(
    verb(
      program,
      "decrypt",
      "Decrypt what encrypt or data-key returned. The ciphertext, in base64, comes from stdin or --in; the plaintext goes as it is to stdout or --out. Project and context must be those of the encryption.",
      "claviger decrypt --project billing --context invoice=42 < hello.sealed",
    ).option("--key <name>", "not needed: the ciphertext names its key"),
    "the ciphertext",
  ).action(inSession(decrypt));

  withContext(
    verb(
      program,
      "data-key",
      "Generate a data key for data that stays where it lives. It is returned in clear, for you to encrypt with and forget, and as a ciphertext to keep beside the data, which decrypt opens again. Printed as JSON; what goes to a file (new, mode 0600) is not printed.",
      "claviger data-key --project billing --key main --plaintext-out data.key --ciphertext-out data.key.sealed",
    ).requiredOption("--key <name>", "name or id of the key"),
  )
    .option("--length <bytes>", "16 to 64 (default: 32)", wholeNumber(16, 64))
    .option("--plaintext-out <file>", "write the key in clear, raw, to a new file")
    .option("--ciphertext-out <file>", "write the wrapped key, base64, to a new file")
    .action(inSession(dataKey));
}

async function encrypt(
  session: Session,
  { project, key, context, ...files }: UnderKey & Files,
): Promise<void> {
  const plaintext = await readPlaintext(files.in);
  const encrypted = await session.client.keys.encrypt({ project, key, plaintext, context });
  const line = toBase64(encrypted.ciphertext);
  if (files.out !== undefined) {
    writeResult(files.out, `${line}\n`);
    if (!session.json) return;
  }
  session.show(encrypted, () => line);
}

async function decrypt(session: Session, { project, context, ...files }: InProject & Files): Promise<void> {
  const ciphertext = await readCiphertext(files.in);
  const { plaintext, ...used } = await session.client.keys.decrypt({ project, ciphertext, context });
  if (files.out !== undefined) writeResult(files.out, plaintext);
  if (session.json) printJson(files.out === undefined ? { plaintext, ...used } : used, toBase64);
  else if (files.out === undefined) printBytes(plaintext);
}

async function dataKey(session: Session, options: DataKeyOptions): Promise<void> {
  const { project, key, context, length: lengthBytes, plaintextOut, ciphertextOut } = options;
  using files = new NewFiles();
  for (const path of [plaintextOut, ciphertextOut]) if (path !== undefined) files.create(path);
  const { plaintext, ciphertext, ...used } = await session.client.keys.generateDataKey({
    project,
    key,
    lengthBytes,
    context,
  });
  if (plaintextOut !== undefined) files.fill(plaintextOut, plaintext);
  if (ciphertextOut !== undefined) files.fill(ciphertextOut, `${toBase64(ciphertext)}\n`);
  const printed = {
    ...(plaintextOut === undefined ? { plaintext } : {}),
    ...(ciphertextOut === undefined ? { ciphertext } : {}),
    ...used,
  };
  printJson(printed, toBase64);
}

function withContext(command: Command): Command {
  return command
    .requiredOption("--project <name>", "name or id of the project")
    .option(
      "--context <name=value>",
      "pair that is authenticated with the ciphertext; may be repeated",
      addPair,
    );
}

function withFiles(command: Command, input: string): Command {
  return withContext(command)
    .option("--in <file>", `read ${input} from a file`)
    .option("--out <file>", "write the result to a file (0600)");
}

function addPair(pair: string, before: Context = {}): Context {
  const split = pair.indexOf("=");
  if (split < 1) throw new InvalidArgumentError("It must have the form name=value.");
  const name = pair.slice(0, split);
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`${name} is given twice.`);
  return { ...before, [name]: pair.slice(split + 1) };
}
