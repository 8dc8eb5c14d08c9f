import { readFileSync } from "node:fs";
import { CommanderError } from "commander";
import { SecretBytes } from "../core/secret/secret-bytes.ts";

/*
 * The PIN of a token: the first line of a file, or typed on a terminal that does not show it. Never from the command line,
 * which every user of the machine can read. It is bytes all the way, so that it can be wiped.
 */

const MAX_PIN_BYTES = 255;

/** @throws CommanderError when the file has no PIN, or nobody can be asked. */
export async function readPin(file: string | undefined): Promise<SecretBytes> {
  if (file !== undefined) return pinOfFile(file);
  if (process.stdin.isTTY && process.stderr.isTTY) return await typedPin();
  throw usage("there is no terminal to type the PIN on: give --pin-file");
}

function pinOfFile(file: string): SecretBytes {
  const content = contentOf(file);
  const lineEnd = content.findIndex((byte) => byte === KEY.LF || byte === KEY.CR);
  const pin = Uint8Array.from(lineEnd < 0 ? content : content.subarray(0, lineEnd));
  content.fill(0);
  if (pin.byteLength === 0) throw usage(`the PIN file ${file} has no PIN in its first line`);
  return new SecretBytes(pin);
}

function contentOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw usage(`the PIN file ${file} cannot be read (${String(error.code)})`);
  }
}

const KEY = {
  CTRL_C: 0x03,
  CTRL_D: 0x04,
  CTRL_H: 0x08,
  LF: 0x0a,
  CR: 0x0d,
  SPACE: 0x20,
  DELETE: 0x7f,
} as const;

async function typedPin(): Promise<SecretBytes> {
  // Raw first: what is typed on the sight of the prompt must not be shown.
  process.stdin.setRawMode(true);
  process.stderr.write("PIN of the token: ");
  const typed = Buffer.alloc(MAX_PIN_BYTES);
  try {
    const length = await typedInto(typed);
    if (length === 0) throw usage("no PIN was typed, so nothing was done");
    return new SecretBytes(Uint8Array.from(typed.subarray(0, length)));
  } finally {
    typed.fill(0);
    process.stdin.setRawMode(false);
    process.stderr.write("\n");
  }
}

/** How many bytes were typed until Enter; none where someone gave up. */
async function typedInto(typed: Buffer): Promise<number> {
  let length = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    const keys = Uint8Array.from(chunk);
    chunk.fill(0);
    for (const key of keys) {
      if (key === KEY.CR || key === KEY.LF) return length;
      if (key === KEY.CTRL_C || key === KEY.CTRL_D) return 0;
      if (key === KEY.DELETE || key === KEY.CTRL_H) length = withoutLastCharacter(typed, length);
      else if (key >= KEY.SPACE && length < typed.byteLength) typed[length++] = key;
    }
    keys.fill(0);
  }
  return 0;
}

/** The length without the last character, which may be several bytes of UTF-8. */
function withoutLastCharacter(typed: Buffer, length: number): number {
  let end = length;
  do end -= 1;
  while (end > 0 && ((typed[end] ?? 0) & 0xc0) === 0x80);
  return Math.max(end, 0);
}

function usage(message: string): CommanderError {
  return new CommanderError(2, "claviger.pin", message);
}
