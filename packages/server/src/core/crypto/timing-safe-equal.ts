import { timingSafeEqual as compare } from "node:crypto";

/** Whether two byte strings are equal, in time that depends on their lengths alone. */
export function timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && compare(a, b);
}
