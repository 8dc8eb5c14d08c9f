import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { BarbicanPlace } from "./barbican-place.ts";
import type { RewrapOutput } from "./rewrap-input.ts";

/** Moves every row of a fresh copy, in a process of its own. */
export async function rewrapOnce(place: BarbicanPlace): Promise<RewrapOutput> {
  using copy = place.newCopy();
  const program = fileURLToPath(new URL("rewrap-process.ts", import.meta.url));
  const child = spawn(process.execPath, [...process.execArgv, program, JSON.stringify(copy.input)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  child.stdin.end(place.token.pin);
  const said = await text(child.stdout);
  const [status] = (await ended) as [number | null];
  if (status !== 0) throw new Error("the rewrap failed");
  return JSON.parse(said) as RewrapOutput;
}
