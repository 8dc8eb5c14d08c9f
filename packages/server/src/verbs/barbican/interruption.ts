/** Aborts at the first Ctrl-C or SIGTERM, so that work ends at a good place; the second one ends the process. */
export function interruption(): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const stop = (): void => {
    process.stderr.write("\nStopping behind the rows that are under way. Once more, and it stops at once.\n");
    controller.abort();
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, stop);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, stop);
    },
  };
}
