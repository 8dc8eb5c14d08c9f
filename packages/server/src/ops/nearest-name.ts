/** The known name that needs the fewest typed corrections to come from `name`; for sentences that say "did you mean". */
export function nearestName(name: string, known: readonly string[]): string {
  const distances = known.map((candidate) => [candidate, corrections(name, candidate)] as const);
  return distances.toSorted(([, one], [, other]) => one - other)[0]?.[0] ?? "";
}

/** Letters to insert, remove or replace (Levenshtein). */
function corrections(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, nth) => nth);
  for (const [i, letter] of from.split("").entries()) {
    const next = [i + 1];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (letter === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
