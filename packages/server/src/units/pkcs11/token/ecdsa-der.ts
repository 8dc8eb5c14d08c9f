const INTEGER = 0x02;
const SEQUENCE = 0x30;

/** A signature of CKM_ECDSA, r and s of the same length, as DER (RFC 3279 §2.2.3). For curves of up to 384 bits. */
export function ecdsaDer(signature: Uint8Array): Uint8Array {
  const half = signature.byteLength / 2;
  const both = Buffer.concat([integer(signature.subarray(0, half)), integer(signature.subarray(half))]);
  return Buffer.concat([Buffer.of(SEQUENCE, both.byteLength), both]);
}

/** An unsigned number: without zeros in front, but for one where the first bit would make it negative. */
function integer(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? bytes.subarray(-1) : bytes.subarray(first);
  const sign = (digits[0] ?? 0) & 0x80 ? [0] : [];
  return Buffer.concat([Buffer.of(INTEGER, sign.length + digits.byteLength, ...sign), digits]);
}
