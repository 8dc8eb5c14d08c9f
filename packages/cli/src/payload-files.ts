import { closeSync, createReadStream, openSync, rmSync, writeFileSync } from "node:fs";
import { ClavigerError, PLAINTEXT_LIMIT_BYTES, fromBase64 } from "@claviger/sdk";
import { canAsk, note } from "./terminal.ts";

/** What the commands that use a key read and write. */

/** Base64 of the largest ciphertext, with line breaks. */
const BASE64_LIMIT_BYTES = PLAINTEXT_LIMIT_BYTES * 2;

/** The plaintext in a file, or from stdin. */
export function readPlaintext(path: string | undefined): Promise<Buffer> {
  return readInput(path, PLAINTEXT_LIMIT_BYTES, "Encrypt larger data under a data key: `claviger data-key`.");
}

const MATERIAL_BYTES = 32;

/** The material of a key in a file, or from stdin for `-`: exactly 32 bytes, as they are. The caller wipes them. */
export async function readMaterial(path: string): Promise<Buffer> {
  const advice = "Give the 32 raw bytes of an AES-256 key, without a line break and not in hex or base64.";
  const material = await readInput(path === "-" ? undefined : path, MATERIAL_BYTES, advice);
  if (material.byteLength === MATERIAL_BYTES) return material;
  const message = `The material has ${material.byteLength} bytes, not ${MATERIAL_BYTES}.`;
  throw new ClavigerError({ code: "key-material-refused", category: "invalid", message, advice });
}

/** The message in a file, or from stdin. */
export function readMessage(path: string | undefined): Promise<Buffer> {
  return readInput(
    path,
    PLAINTEXT_LIMIT_BYTES,
    "Sign its digest with an RSA key (--digest), or a list of hashes.",
  );
}

/** The signature in a file: base64, line breaks do not matter. */
export async function readSignature(path: string): Promise<Uint8Array> {
  const advice = "Give what `claviger sign` wrote.";
  const text = (await readInput(path, 4096, advice)).toString("latin1").replaceAll(/\s/g, "");
  return base64In(text, {
    code: "signature-refused",
    message: "The file holds no signature in base64.",
    advice,
  });
}

/** The ciphertext in a file, or from stdin: base64, line breaks do not matter. */
export async function readCiphertext(path: string | undefined): Promise<Uint8Array> {
  const advice = "Give what `claviger encrypt` printed.";
  const text = (await readInput(path, BASE64_LIMIT_BYTES, advice)).toString("latin1").replaceAll(/\s/g, "");
  const message = "The input is not a ciphertext in base64.";
  return base64In(text, { code: "ciphertext-refused", message, advice });
}

function base64In(text: string, refusal: { code: string; message: string; advice: string }): Uint8Array {
  try {
    if (text !== "") return fromBase64(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new ClavigerError({ ...refusal, category: "invalid" });
}

async function readInput(path: string | undefined, limitBytes: number, advice: string): Promise<Buffer> {
  if (path === undefined && canAsk()) note("Reading from the terminal; end with Ctrl-D.");
  const chunks: Buffer[] = [];
  let lengthBytes = 0;
  for await (const chunk of path === undefined ? process.stdin : createReadStream(path)) {
    const bytes = Buffer.from(chunk as Uint8Array);
    chunks.push(bytes);
    lengthBytes += bytes.length;
    if (lengthBytes > limitBytes) {
      const message = `The input is larger than ${limitBytes} bytes.`;
      throw new ClavigerError({ code: "body-too-large", category: "invalid", message, advice });
    }
  }
  return Buffer.concat(chunks);
}

/** Writes a result to a file; a new one is for its owner only (0600). */
export function writeResult(path: string, content: Uint8Array | string): void {
  writeFileSync(path, content, { mode: 0o600 });
}

/**
 * New files for secrets (0600), made before the secret is: a path that cannot be written, or is taken, is found before
 * anything is generated. Those that were not filled are removed when the scope ends.
 */
export class NewFiles {
  readonly #open = new Map<string, number>();

  /** Throws the file system's error; EEXIST where there is a file, which is never overwritten. */
  create(path: string): void {
    this.#open.set(path, openSync(path, "wx", 0o600));
  }

  fill(path: string, content: Uint8Array | string): void {
    const file = this.#open.get(path);
    if (file === undefined) return;
    writeFileSync(file, content);
    closeSync(file);
    this.#open.delete(path);
  }

  [Symbol.dispose](): void {
    for (const [path, file] of this.#open) {
      closeSync(file);
      rmSync(path);
    }
  }
}
