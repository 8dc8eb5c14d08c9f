import { HASH_BYTES } from "./chain-hash.ts";
import { LogVerifier } from "./log-verifier.ts";
import type { VerifyOptions } from "./log-verifier.ts";
import { beginLine, chainLine, endLine, keyLine } from "./lines.ts";
import type { AuditKey } from "./signed-head.ts";
import { auditKey } from "./signed-head.ts";
import type { Verification } from "./verification.ts";

const HASH_LINE = Buffer.from('{"hash":"', "latin1");
const RECORD = Buffer.from('","record":', "latin1");
const TEXT_AT = HASH_LINE.length + 2 * HASH_BYTES + RECORD.length;
const HEAD_LINE = '{"head":';
const SIGNATURE = ',"signature":"';
const NEWLINE = 0x0a;

/**
 * Verifies an export, or several archives and an export one behind the other, with nothing but the public keys. The
 * texts of records are verified as they stand, and not parsed. What cannot be read is a fault like any other.
 */
export async function verifyExport(
  chunks: AsyncIterable<Uint8Array>,
  options: VerifyOptions = {},
): Promise<Verification> {
  const reader = new ExportReader(options);
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = rest.byteLength === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      reader.line(bytes.subarray(start, end));
      start = end + 1;
    }
    rest = bytes.subarray(start);
  }
  return reader.end(rest.byteLength > 0);
}

class ExportReader {
  readonly #verifier: LogVerifier;
  #open = false;
  #began = 0;
  #keys = 0;
  #inKeys = false;
  #recordsBefore = 0;
  #headsBefore = 0;

  constructor(options: VerifyOptions) {
    this.#verifier = new LogVerifier(options);
  }

  line(line: Buffer): void {
    if (!this.#open && `${line.toString("utf8")}\n` !== beginLine()) return this.#unreadable();
    if (line.byteLength > TEXT_AT && startsWith(line, HASH_LINE, 0)) return this.#record(line);
    this.#other(line.toString("utf8"));
  }

  end(cut: boolean): Verification {
    if (cut) this.#verifier.fault("line-unreadable", 0, "The last line is not whole.");
    if (this.#began === 0) this.#verifier.fault("cut", 0, "This is no export of an audit log.");
    else if (this.#open) this.#verifier.fault("cut", 0, "The export ends before its last line.");
    return this.#verifier.end();
  }

  #record(line: Buffer): void {
    const digits = line.toString("latin1", HASH_LINE.length, HASH_LINE.length + 2 * HASH_BYTES);
    const hash = Buffer.from(digits, "hex");
    const whole =
      hash.toString("hex") === digits &&
      startsWith(line, RECORD, HASH_LINE.length + 2 * HASH_BYTES) &&
      line[line.byteLength - 1] === 0x7d;
    if (!whole) return this.#unreadable();
    this.#verifier.record(hash, line.subarray(TEXT_AT, line.byteLength - 1));
  }

  #other(line: string): void {
    if (line.startsWith(HEAD_LINE)) return this.#head(line);
    const parsed = objectOf(line);
    if (!parsed) return this.#unreadable();
    // What can be written in one way only is read in one way only: no byte may be another one.
    const { chain, from, key, pem, end, heads } = parsed;
    const is = (written: string): boolean => written === `${line}\n`;
    if (is(beginLine())) return this.#begin();
    if (typeof chain === "string" && isHeadPart(from) && is(chainLine({ chain, ...from }))) {
      this.#inKeys = false;
      return this.#verifier.chain({ chain, ...from });
    }
    if (typeof key === "string" && typeof pem === "string" && is(keyLine({ fingerprint: key, pem })))
      return this.#key(key, pem);
    const counted = { records: Number(end), heads: Number(heads), keys: Number(parsed["keys"]) };
    if (is(endLine(counted))) return this.#close(counted);
    this.#unreadable();
  }

  #begin(): void {
    if (this.#open) this.#verifier.fault("cut", 0, "An export begins before the one before it has ended.");
    this.#open = true;
    this.#began += 1;
    this.#verifier.file();
    this.#keys = 0;
    this.#inKeys = true;
    this.#recordsBefore = this.#verifier.records;
    this.#headsBefore = this.#verifier.heads;
  }

  #close({ records, heads, keys }: { records: number; heads: number; keys: number }): void {
    const found = this.#verifier.records - this.#recordsBefore;
    const signed = this.#verifier.heads - this.#headsBefore;
    if (!this.#open || found !== records || signed !== heads || this.#keys !== keys) {
      const counted = `${records} records, ${heads} heads and ${keys} keys`;
      const there = `${found}, ${signed} and ${this.#keys}`;
      this.#verifier.fault("cut", 0, `The last line counts ${counted}; there are ${there}.`);
    }
    this.#open = false;
  }

  #key(fingerprint: string, pem: string): void {
    this.#keys += 1;
    if (!this.#inKeys) return this.#unreadable();
    try {
      const key = auditKey(pem);
      if (key.fingerprint === fingerprint && pemOf(key) === pem) return this.#verifier.key(key);
    } catch (error) {
      if (!(error instanceof Error) || !("code" in error)) throw error;
    }
    this.#verifier.fault("line-unreadable", 0, `The public key ${fingerprint} is not what its name says.`);
  }

  /** The text of a head is signed as it stands: it is cut out of the line, and not written again. */
  #head(line: string): void {
    const at = line.lastIndexOf(SIGNATURE);
    const signature = Buffer.from(line.slice(at + SIGNATURE.length, -2), "base64");
    const text = line.slice(HEAD_LINE.length, at);
    if (at < 0 || line !== `${HEAD_LINE}${text}${SIGNATURE}${signature.toString("base64")}"}`)
      return this.#unreadable();
    this.#verifier.head({ text, signature });
  }

  #unreadable(): void {
    this.#verifier.fault("line-unreadable", 0, "A line is none of an export.");
  }
}

function pemOf({ key }: AuditKey): string {
  return key.export({ format: "pem", type: "spki" }).toString();
}

function startsWith(line: Buffer, part: Buffer, at: number): boolean {
  return line.compare(part, 0, part.byteLength, at, at + part.byteLength) === 0;
}

function objectOf(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === "object" && parsed !== null
      ? (parsed as Readonly<Record<string, unknown>>)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isHeadPart(from: unknown): from is { readonly seq: number; readonly hash: string } {
  const { seq, hash } = (from ?? {}) as { readonly seq?: unknown; readonly hash?: unknown };
  return typeof seq === "number" && Number.isSafeInteger(seq) && seq >= 0 && typeof hash === "string";
}
