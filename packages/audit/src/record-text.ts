import { parseRecord } from "./entry.ts";
import type { AuditRecord } from "./entry.ts";

/** Stands so in the text of a record only where it is a member: within a value its quotes are escaped. */
const NEW_KEY = ',"newKey":';
const NEW_KEY_BYTES = Buffer.from(NEW_KEY, "latin1");

/** Whether a record introduces a key, without parsing it. */
export function introducesKey(text: string | Uint8Array): boolean {
  if (typeof text === "string") return text.includes(NEW_KEY);
  return Buffer.from(text.buffer, text.byteOffset, text.byteLength).includes(NEW_KEY_BYTES);
}

/** What the text of a record says; undefined for a text that is none. */
export function recordOf(text: string | Uint8Array): AuditRecord | undefined {
  try {
    return parseRecord(typeof text === "string" ? text : Buffer.from(text).toString("utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const PREFIX = Buffer.from('{"seq":', "latin1");
const COMMA = 0x2c;

/** The number with which the text of a record begins; undefined where it begins with none. */
export function numberOf(text: string | Uint8Array): number | undefined {
  if (typeof text === "string") {
    const end = text.indexOf(",", PREFIX.length);
    const digits = text.slice(PREFIX.length, end);
    return text.startsWith('{"seq":') && /^[1-9]\d{0,15}$/.test(digits) ? Number(digits) : undefined;
  }
  let seq = 0;
  for (let at = 0; at < PREFIX.length; at++) if (text[at] !== PREFIX[at]) return undefined;
  for (let at = PREFIX.length; at < PREFIX.length + 17; at++) {
    const byte = text[at] ?? 0;
    if (byte === COMMA) return at === PREFIX.length || text[PREFIX.length] === 0x30 ? undefined : seq;
    if (byte < 0x30 || byte > 0x39) return undefined;
    seq = seq * 10 + (byte - 0x30);
  }
  return undefined;
}
