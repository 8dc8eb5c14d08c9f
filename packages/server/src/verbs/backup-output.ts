const REPORT_MS = 2_000;

/** Progress on stderr, a line every two seconds. */
export function progressOnStderr(
  what: string,
): (progress: { readonly rows: number; readonly written: number }) => void {
  let saidAt = performance.now();
  return ({ rows, written }) => {
    if (performance.now() - saidAt < REPORT_MS) return;
    saidAt = performance.now();
    process.stderr.write(`${what}: ${written} of ${rows} rows\n`);
  };
}

/** When a backup was made, as ISO 8601. */
export function timeOf({ createdAtMs }: { readonly createdAtMs: number }): string {
  return new Date(createdAtMs).toISOString();
}
