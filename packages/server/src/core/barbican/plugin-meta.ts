import type { KeyWrapMechanism, WrappedProjectKey } from "./project-key.ts";
import { KEY_WRAP_MECHANISMS } from "./project-key.ts";
import { bytesOf, objectOf, shown } from "./strict-json.ts";

/*
 * `kek_data.plugin_meta` of the p11_crypto plugin (openstack/barbican: barbican/plugin/crypto/p11_crypto.py,
 * _generate_wrapped_kek and json_dumps_compact):
 *
 *   {"iv":B64|null,"wrapped_key":B64,"hmac":B64,"mkek_label":s,"hmac_label":s,"key_wrap_mechanism":s}
 *
 * - Rows from before 20.0.0 have no `key_wrap_mechanism`: they are wrapped by CKM_AES_CBC_PAD.
 * - A member that is not known is a refusal: it would be lost when the row is written.
 * - Whether lengths fit the mechanism is for the token to say.
 */

const MEMBERS = new Set(["iv", "wrapped_key", "hmac", "mkek_label", "hmac_label", "key_wrap_mechanism"]);
const MECHANISM_BEFORE_20 = "CKM_AES_CBC_PAD";

/** The wrapped project key of a row, or a clause that says what is wrong with it and has no value of it but names. */
export function parsePluginMeta(text: string): WrappedProjectKey | { readonly refused: string } {
  const meta = objectOf(text, MEMBERS);
  if (typeof meta === "string") return { refused: meta };
  const iv = meta["iv"] === null ? null : bytesOf(meta["iv"]);
  if (iv === undefined) return { refused: "iv is neither base64 nor null" };
  const wrapped = bytesOf(meta["wrapped_key"]);
  if (wrapped === undefined) return { refused: "wrapped_key is not base64" };
  const hmac = bytesOf(meta["hmac"]);
  if (hmac === undefined) return { refused: "hmac is not base64" };
  const { mkek_label: mkekLabel, hmac_label: hmacLabel } = meta;
  if (!isLabel(mkekLabel)) return { refused: "mkek_label is not text" };
  if (!isLabel(hmacLabel)) return { refused: "hmac_label is not text" };
  const mechanism = Object.hasOwn(meta, "key_wrap_mechanism")
    ? meta["key_wrap_mechanism"]
    : MECHANISM_BEFORE_20;
  if (!isMechanism(mechanism))
    return { refused: `key_wrap_mechanism ${shown(mechanism)} is not one that wraps keys` };
  return { iv, wrapped, hmac, mkekLabel, hmacLabel, mechanism };
}

/** The text of a wrapped project key, to the byte as Barbican 20.0.0 and later write it. */
export function pluginMeta({
  iv,
  wrapped,
  hmac,
  mkekLabel,
  hmacLabel,
  mechanism,
}: WrappedProjectKey): string {
  const text = JSON.stringify({
    iv: iv && iv.toBase64(),
    wrapped_key: wrapped.toBase64(),
    hmac: hmac.toBase64(),
    mkek_label: mkekLabel,
    hmac_label: hmacLabel,
    key_wrap_mechanism: mechanism,
  });
  // As json.dumps of Python does it, which leaves printable ASCII only.
  return text.replaceAll(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function isLabel(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isMechanism(value: unknown): value is KeyWrapMechanism {
  return typeof value === "string" && Object.hasOwn(KEY_WRAP_MECHANISMS, value);
}
