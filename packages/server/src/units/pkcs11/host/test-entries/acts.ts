import type { RetryPlace } from "../outcomes.ts";

/** What obedient-host.ts does at each operation. */
export const OP = {
  echo: 1,
  act: 2,
  tell: 3,
  told: 4,
  about: 5,
  keep: 6,
  kept: 7,
  lend: 8,
  long: 9,
} as const;

export type Deed =
  | { readonly kind: "answer" | "hang" | "spin" | "crash" | "abandon" | "forget" | "break" }
  | { readonly kind: "sleep"; readonly ms: number }
  | { readonly kind: "refuse"; readonly code: string }
  | { readonly kind: "trouble"; readonly retry: RetryPlace };

/** What the start and `act` are given, as JSON. */
export interface Act {
  /** Gets a line with the process id each time that this is done, by whichever process. */
  readonly log?: string;
  readonly deed: Deed;
  /** The deed is for so many times; after that it is only answered. */
  readonly times?: number;
}
