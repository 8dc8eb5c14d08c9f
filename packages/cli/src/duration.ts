import { InvalidArgumentError } from "commander";

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** Parses an option that is a length of time, as 90s, 15m, 12h, 30d; in seconds. */
export function duration(value: string): number {
  const [, digits, unit] = /^(\d{1,9})([smhd])$/.exec(value) ?? [];
  const seconds = Number(digits) * (SECONDS[unit as keyof typeof SECONDS] ?? Number.NaN);
  if (seconds >= 1) return seconds;
  throw new InvalidArgumentError("It must be a number and one of s, m, h, d, as 12h or 30d.");
}
