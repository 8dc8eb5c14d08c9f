import type { HeadRef } from "./entry.ts";
import type { SignedHead } from "./signed-head.ts";

/*
 * An export is text, one JSON object a line (docs/audit.md has it for auditors):
 *   {"claviger-audit-export":1}                 the first line
 *   {"key":"<fingerprint>","pem":…}             each public key, before the first chain
 *   {"chain":"<node>/<incarnation>","from":…}   begins a chain; `from` names its last record that is elsewhere
 *   {"hash":"<64 hex>","record":<text>}         a record: its text stands there byte for byte, as it was hashed
 *   {"head":<text>,"signature":"<base64>"}      a signed head, behind the record that it names
 *   {"end":<records>,"heads":…,"keys":…}        the last line counts: an export without it is cut
 */

export function beginLine(): string {
  return `{"claviger-audit-export":1}\n`;
}

export function keyLine(key: { readonly fingerprint: string; readonly pem: string }): string {
  return `{"key":${JSON.stringify(key.fingerprint)},"pem":${JSON.stringify(key.pem)}}\n`;
}

/** `from.seq` 0 is the beginning of the chain. */
export function chainLine(from: HeadRef): string {
  const { chain, seq, hash } = from;
  return `{"chain":${JSON.stringify(chain)},"from":${JSON.stringify({ seq, hash })}}\n`;
}

export function recordLine(hash: Uint8Array, text: string): string {
  return `{"hash":"${Buffer.from(hash).toString("hex")}","record":${text}}\n`;
}

export function headLine({ text, signature }: SignedHead): string {
  return `{"head":${text},"signature":"${Buffer.from(signature).toString("base64")}"}\n`;
}

export function endLine(count: { records: number; heads: number; keys: number }): string {
  return `{"end":${count.records},"heads":${count.heads},"keys":${count.keys}}\n`;
}
