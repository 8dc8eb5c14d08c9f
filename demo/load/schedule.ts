/**
 * Arrivals of an open loop: a Poisson process of so many a second, which does not wait for the replies. `arrive` is
 * called with the time at which each request is due (performance.now()), as soon as the thread gets to it: a latency
 * that is counted from then holds every delay, those before sending included.
 *
 * `limit` requests at most are under way, so that a server which is overwhelmed answers late (which the latencies show)
 * and not never. Ends when `signal` is aborted and everything is answered.
 */
export async function openLoop(
  perSecond: number,
  limit: number,
  arrive: (dueMs: number) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const underWay = new Set<Promise<void>>();
  let dueMs = performance.now() + gapMs(perSecond);
  while (!signal.aborted) {
    const nowMs = performance.now();
    while (dueMs <= nowMs && underWay.size < limit) {
      const request = arrive(dueMs).finally(() => underWay.delete(request));
      underWay.add(request);
      dueMs += gapMs(perSecond);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(underWay);
}

/** Time between two arrivals: exponentially distributed. */
function gapMs(perSecond: number): number {
  return (-Math.log(1 - Math.random()) * 1000) / perSecond;
}
