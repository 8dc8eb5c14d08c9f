import { CKF } from "./cryptoki.ts";
import type { TokenInfo } from "./module.ts";

/**
 * How far the token's clock is ahead of `nowMs`, in ms. "unreadable": it says that it has one, and not what time it is in the
 * form of the standard, as openCryptoki does.
 */
export function clockAheadMs(
  { flags, utcTime }: Pick<TokenInfo, "flags" | "utcTime">,
  nowMs: number,
): number | "none" | "unreadable" {
  if ((flags & CKF.CLOCK_ON_TOKEN) === 0) return "none";
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(utcTime) ?? [];
  const tokenMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(tokenMs) ? "unreadable" : tokenMs - nowMs;
}
