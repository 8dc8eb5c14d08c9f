import { timingSafeEqual } from "node:crypto";
import { isUuid } from "../ids.ts";
import type { Vp } from "../ids.ts";
import type { KekBinding, KekRefusal, KekToOpen } from "../unit/crypto-unit.ts";
import { unwrapKwp, wrapKwp } from "./aes-kwp.ts";
import { KCV_BYTES, KEK_BYTES, keyCheckValue } from "./key-check-value.ts";
import { KekMac } from "./kek-mac.ts";
import type { MasterKeyPair } from "./master-key-pair.ts";
import { writeUuid } from "./uuid-bytes.ts";

/**
 * A KEK under a master key, 73 bytes: format 1 ‖ AES-KWP of the KEK (40) ‖ HMAC-SHA-256 (32). The HMAC (kek-mac.ts)
 * binds the blob to group, type, project, KEK id, VP and KCV: a row that is moved, or whose blob is exchanged, is
 * refused before anything is unwrapped.
 */
export const WRAPPED_KEK_FORMAT = 1;
export const KWP_AT = 1;
export const KWP_BYTES = 40;
export const MAC_AT = KWP_AT + KWP_BYTES;
export const WRAPPED_KEK_BYTES = MAC_AT + 32;

/** `kek` (32 bytes, the caller's) with check value `kcv`, wrapped by `pair`, whose pattern is `vp`. */
export function wrapKek(
  pair: MasterKeyPair,
  vp: Vp,
  binding: KekBinding,
  kcv: Uint8Array,
  kek: Uint8Array,
): Uint8Array {
  if (kek.byteLength !== KEK_BYTES) throw new RangeError("a KEK has 32 bytes");
  const blob = new Uint8Array(WRAPPED_KEK_BYTES);
  blob[0] = WRAPPED_KEK_FORMAT;
  blob.set(wrapKwp(pair.wrapping, kek), KWP_AT);
  using mac = kekMacOf(pair, vp, binding);
  writeMacRow(mac, binding, kcv, blob);
  mac.compute();
  blob.set(mac.tag, MAC_AT);
  return blob;
}

/** The KEK inside `kek.wrapped`, which the caller wipes, or why it is refused. `pair` is the one of the blob's VP. */
export function openWrappedKek(
  pair: MasterKeyPair,
  kek: KekToOpen,
): Uint8Array | { readonly refused: KekRefusal } {
  const { blob, vp } = kek.wrapped;
  const refused = malformed(kek, kek.kcv, blob);
  if (refused) return { refused };
  using mac = kekMacOf(pair, vp, kek);
  writeMacRow(mac, kek, kek.kcv, blob);
  if (!mac.matches(blob, MAC_AT)) return { refused: "mac-mismatch" };
  const opened = unwrapKwp(pair.wrapping, blob.subarray(KWP_AT, MAC_AT));
  if (opened === "refused") return { refused: "unwrap-failed" };
  if (opened.byteLength === KEK_BYTES && timingSafeEqual(keyCheckValue(opened), kek.kcv)) return opened;
  const wrongLength = opened.byteLength !== KEK_BYTES;
  opened.fill(0);
  return { refused: wrongLength ? "unwrap-failed" : "check-value-mismatch" };
}

/** Why a row cannot even be looked at: the parts that have no other length, checked before they are copied anywhere. */
export function malformed(
  row: Pick<KekBinding, "projectId" | "kekId">,
  kcv: Uint8Array,
  blob: Uint8Array,
): KekRefusal | undefined {
  if (blob.byteLength !== WRAPPED_KEK_BYTES || blob[0] !== WRAPPED_KEK_FORMAT) return "format-unknown";
  if (kcv.byteLength !== KCV_BYTES) return "check-value-mismatch";
  if (!isUuid(row.projectId) || !isUuid(row.kekId)) return "mac-mismatch";
  return undefined;
}

function kekMacOf(pair: MasterKeyPair, vp: Vp, binding: KekBinding): KekMac {
  return new KekMac(pair.mac, { format: WRAPPED_KEK_FORMAT, group: binding.group, type: binding.type, vp });
}

function writeMacRow(mac: KekMac, binding: KekBinding, kcv: Uint8Array, blob: Uint8Array): void {
  writeUuid(binding.projectId, mac.row, 0);
  writeUuid(binding.kekId, mac.row, 16);
  mac.row.set(kcv, 32);
  mac.row.set(blob.subarray(KWP_AT, MAC_AT), 48);
}
