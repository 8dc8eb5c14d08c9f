import type { Proof } from "./proof.ts";
import { WrongAnswer } from "./proof.ts";

/*
 * A generator that is stuck or repeats itself is found; how good one is that does not, nobody can tell from its output.
 */

const DRAW_BYTES = 4096;
const BLOCK_BYTES = 16;
/**
 * Repetition count test (NIST SP 800-90B §4.4.1): C = 1 + ⌈-log2 α / H⌉ with H = 8 bits a byte, as of a generator that is
 * conditioned, and α = 2^-40, so that a good one is refused once in 2^28 probes.
 */
const REPETITION_CUTOFF = 6;

export const RANDOM_PROOF: Proof = {
  name: "random",
  title: "Random numbers",
  mechanisms: [],
  run: ({ module, session }) => {
    const draws = [module.random(session, DRAW_BYTES), module.random(session, DRAW_BYTES)];
    const complaint = randomComplaint(Buffer.concat(draws));
    if (complaint !== undefined) throw new WrongAnswer(complaint);
  },
};

/** What is wrong with `bytes` of a generator, in a clause. */
export function randomComplaint(bytes: Uint8Array): string | undefined {
  let run = 0;
  for (const [i, byte] of bytes.entries()) {
    run = byte === bytes[i - 1] ? run + 1 : 1;
    if (run >= REPETITION_CUTOFF) return `the same byte comes ${run} times in a row`;
  }
  const blocks = new Set<string>();
  for (let at = 0; at < bytes.byteLength; at += BLOCK_BYTES)
    blocks.add(Buffer.from(bytes.subarray(at, at + BLOCK_BYTES)).toString("latin1"));
  return blocks.size < bytes.byteLength / BLOCK_BYTES ? "the same 16 bytes come twice" : undefined;
}
