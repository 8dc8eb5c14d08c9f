/** How long models and interleavings are tried: enough for every commit, or for as long as a soak is told. */
const SOAK_MINUTES = Number(process.env["CLAVIGER_SOAK_MINUTES"] ?? 0);
const SEED = process.env["CLAVIGER_MODEL_SEED"];
const PATH = process.env["CLAVIGER_MODEL_PATH"];

const again = {
  ...(SEED !== undefined && { seed: Number(SEED) }),
  ...(PATH !== undefined && { path: PATH, endOnFailure: true }),
};

/** Of each of the two models. */
export function modelParameters() {
  return SOAK_MINUTES > 0
    ? { numRuns: 1_000_000, interruptAfterTimeLimit: SOAK_MINUTES * 60_000, maxCommands: 60, ...again }
    : { numRuns: 100, maxCommands: 40, ...again };
}

/** Of each race; `races` of them share the time of a soak. */
export function interleavingParameters(races: number) {
  return SOAK_MINUTES > 0
    ? { numRuns: 1_000_000, interruptAfterTimeLimit: (SOAK_MINUTES * 60_000) / races, ...again }
    : { numRuns: 180, ...again };
}
