import { ClavigerError } from "@claviger/sdk";
import type { ClavigerClient } from "@claviger/sdk";
import { inLanes } from "./lanes.ts";
import { isPlaintextOf } from "./ledger.ts";
import type { Kept } from "./ledger.ts";

/** What became of ciphertexts. */
export interface Reckoning {
  readonly ciphertexts: number;
  readonly keys: number;
  /** Keys of which at least one ciphertext did not decrypt to the same plaintext. */
  readonly lostKeys: number;
}

const LANES = 16;

/** Decrypts every ciphertext and compares. `onDone` is called after each. */
export async function decryptAll(
  client: { readonly keys: Pick<ClavigerClient["keys"], "decrypt"> },
  kept: Iterable<Kept>,
  onDone: () => void,
): Promise<Reckoning> {
  const keys = new Set<string>();
  const lost = new Set<string>();
  const rest = Iterator.from(kept);
  let ciphertexts = 0;
  await inLanes(LANES, async () => {
    const { done, value } = rest.next();
    if (done) return false;
    ciphertexts += 1;
    keys.add(value.key);
    if (!(await decrypts(client, value))) lost.add(value.key);
    onDone();
    return true;
  });
  return { ciphertexts, keys: keys.size, lostKeys: lost.size };
}

async function decrypts(
  client: { readonly keys: Pick<ClavigerClient["keys"], "decrypt"> },
  kept: Kept,
): Promise<boolean> {
  const { project, ciphertext } = kept;
  try {
    const { plaintext } = await client.keys.decrypt({ project, ciphertext, context: { shop: project } });
    return isPlaintextOf(kept, plaintext);
  } catch (error) {
    if (error instanceof ClavigerError) return false;
    throw error;
  }
}
