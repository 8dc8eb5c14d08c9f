import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { EventLoopUtilization } from "node:perf_hooks";
import { Counter, Gauge } from "prom-client";
import type { Registry } from "prom-client";

/** How often the delay is sampled. */
const RESOLUTION_MS = 10;
const QUANTILES = [0.5, 0.99, 1] as const;

/**
 * How busy the event loop is, and how late it comes to what is due. The metrics `nodejs_eventloop_lag_*` of prom-client are
 * the time from one sample to the next, so the ten milliseconds between two samples are in them; here they are not.
 */
export function addEventLoopMetrics(registry: Registry): void {
  const registers = [registry];
  new Counter({
    name: "claviger_event_loop_active_seconds_total",
    help: "Time in which the event loop had work; its rate is the share of what the daemon can take",
    registers,
    collect() {
      const { active }: EventLoopUtilization = performance.eventLoopUtilization();
      this.reset();
      this.inc(active / 1000);
    },
  });

  const intervals = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  intervals.enable();
  new Gauge({
    name: "claviger_event_loop_delay_seconds",
    help: "How late the event loop came to what was due, by quantile, since the last scrape",
    labelNames: ["quantile"],
    registers,
    collect() {
      for (const quantile of QUANTILES) {
        const lateMs = Math.max(0, intervals.percentile(quantile * 100) / 1e6 - RESOLUTION_MS);
        this.set({ quantile }, intervals.count === 0 ? 0 : lateMs / 1000);
      }
      intervals.reset();
    },
  });
}
