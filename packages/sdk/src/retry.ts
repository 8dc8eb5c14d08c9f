import type { RouteName } from "@claviger/api";
import type { ClavigerError } from "./claviger-error.ts";
import { ROUTE_PATHS } from "./route-paths.ts";
import { TransportError } from "./transport.ts";

/**
 * When a call is repeated, and after how long. In words:
 * - at most twice, after 0.2 s and 1 s; where the reply has a Retry-After, after that long instead, but at most 5 s;
 * - any call when no connection was accepted: nothing was sent;
 * - any call that Claviger itself answered with 503 or 429: it promises that nothing was done;
 * - when the connection was lost, or something in between failed: only calls that may be done twice, which are the GETs,
 *   encrypt, decrypt, data-key, sign and verify. Others fail with `connection-lost`, since they may have been done;
 * - nothing else: not after a timeout (30 s have passed), and no other refusal.
 */
const BACKOFF_MS = [200, 1000] as const;
const RETRY_AFTER_LIMIT_MS = 5000;

/** Largest number of repetitions. */
export const RETRY_LIMIT = BACKOFF_MS.length;

/** POSTs that leave nothing behind but an answer. */
const REPEATABLE: ReadonlySet<RouteName> = new Set([
  "encrypt",
  "decrypt",
  "generateDataKey",
  "sign",
  "verify",
]);

/** Whether the call may be sent again after this failure. */
export function mayRepeat(route: RouteName, error: ClavigerError): boolean {
  if (error.cause instanceof TransportError && error.cause.fault === "refused") return true;
  if (error.category === "throttled") return true;
  if (error.category !== "unavailable") return false;
  if (error.status === 503 && error.requestId !== null) return true;
  const harmless = ROUTE_PATHS[route].method === "GET" || REPEATABLE.has(route);
  return harmless && (error.code === "connection-lost" || error.status !== null);
}

/** How long to wait before repetition number `attempt` (from 0). */
export function delayMs(attempt: number, retryAfter: string | null, nowMs: number): number {
  const asked = retryAfter === null ? Number.NaN : retryAfterMs(retryAfter, nowMs);
  if (!Number.isNaN(asked)) return Math.min(Math.max(asked, 0), RETRY_AFTER_LIMIT_MS);
  return BACKOFF_MS[attempt] ?? RETRY_AFTER_LIMIT_MS;
}

/** RFC 9110 §10.2.3: seconds or a date; NaN for anything else. */
function retryAfterMs(value: string, nowMs: number): number {
  return /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
}

/** Waits; rejects with the signal's reason when it is aborted meanwhile. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason instanceof Error ? signal.reason : new DOMException("aborted", "AbortError"));
    };
    if (signal?.aborted === true) {
      reject(signal.reason instanceof Error ? signal.reason : new DOMException("aborted", "AbortError"));
      return;
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
