const ACTIVE = /^claviger_event_loop_active_seconds_total (\S+)$/m;

/** Seconds in which the event loop of the server had work since it started, as its /metrics says. */
export async function activeSeconds(address: string): Promise<number> {
  const reply = await fetch(new URL("/metrics", address));
  const active = ACTIVE.exec(await reply.text())?.[1];
  if (active === undefined) throw new Error("the metrics of the server do not say how busy it was");
  return Number(active);
}
