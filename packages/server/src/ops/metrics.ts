import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { addEventLoopMetrics } from "./event-loop-metrics.ts";

/** The state that gauges show; asked for at each scrape, so it is what is true then. */
export interface GaugeReadings {
  /** Wrapped project KEKs per verification pattern; `form` is which of a row's forms it is. */
  readonly keksByPattern: readonly {
    readonly vp: string;
    readonly form: "current" | "next" | "previous";
    readonly count: number;
  }[];
  readonly registers: readonly { readonly unit: string; readonly register: string; readonly state: string }[];
  readonly units: readonly {
    readonly unit: string;
    readonly serving: boolean;
    readonly keepsAnchors: boolean;
  }[];
  /** The changes that are open. */
  readonly changes: readonly { readonly change: string; readonly state: string; readonly blocked: boolean }[];
  /** Project KEKs of the open changes, by how far they are. */
  readonly changeKeks: readonly { readonly status: string; readonly count: number }[];
}

export interface Metrics {
  /** Content type of `text`. */
  readonly contentType: string;
  /** All metrics in the text format of Prometheus. Rejects if `collect` does. */
  readonly text: () => Promise<string>;
  readonly countAlarm: (alarm: string) => void;
  readonly observe: (operation: string, status: number, seconds: number) => void;
}

export interface MetricsSources {
  readonly version: string;
  readonly collect: () => GaugeReadings | Promise<GaugeReadings>;
}

/** From a cached decrypt (under a millisecond) to an activation that waits for many units. */
const DURATION_BUCKETS_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
];

/** The metrics of one daemon, in a registry of its own, so that tests may run several in one process. */
export function createMetrics(sources: MetricsSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: "claviger_" });

  /** Requests since the last scrape: the counter takes ten times as long to find its labels. */
  const answered = new Map<string, { readonly operation: string; readonly code: number; count: number }>();
  new Counter({
    name: "claviger_http_requests_total",
    help: "Requests answered, by operation and HTTP status",
    labelNames: ["operation", "code"],
    registers,
    collect() {
      for (const { operation, code, count } of answered.values()) this.inc({ operation, code }, count);
      answered.clear();
    },
  });
  const durations = new Histogram({
    name: "claviger_http_request_duration_seconds",
    help: "Time from the arrival of a request to the end of its reply",
    labelNames: ["operation"],
    buckets: DURATION_BUCKETS_SECONDS,
    registers,
  });
  const alarms = new Counter({
    name: "claviger_alarms_total",
    help: "Alarms raised, by what they are about: the log says the rest",
    labelNames: ["alarm"],
    registers,
  });
  new Gauge({
    name: "claviger_build_info",
    help: "1; the labels say what runs",
    labelNames: ["version", "node"],
    registers,
  }).set({ version: sources.version, node: process.version }, 1);

  addEventLoopMetrics(registry);

  const setGauges = stateGauges(registry);
  return {
    contentType: registry.contentType,
    text: async () => {
      setGauges(await sources.collect());
      return await registry.metrics();
    },
    countAlarm: (alarm) => alarms.inc({ alarm }),
    observe: (operation, status, seconds) => {
      const name = `${status} ${operation}`;
      const one = answered.get(name);
      if (one) one.count += 1;
      else answered.set(name, { operation, code: status, count: 1 });
      durations.observe({ operation }, seconds);
    },
  };
}

/** Makes the gauges of the state; the function that it returns sets all of them, and forgets labels that are gone. */
function stateGauges(registry: Registry): (readings: GaugeReadings) => void {
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]): Gauge<L> =>
    new Gauge({ name: `claviger_${name}`, help, labelNames, registers: [registry] });

  const keks = gauge(
    "keks_by_pattern",
    "Wrapped project KEKs per verification pattern and form",
    "vp",
    "form",
  );
  const registers = gauge(
    "unit_register_state",
    "1 for the state a register is in",
    "unit",
    "register",
    "state",
  );
  const serving = gauge("unit_serving", "1 if the crypto unit serves, else 0", "unit");
  const anchored = gauge(
    "unit_keeps_anchors",
    "1 if the crypto unit answers and has kept the last anchors, else 0",
    "unit",
  );
  const states = gauge("change_state", "1 for the state an open master-key change is in", "change", "state");
  const changeKeks = gauge("change_keks", "Project KEKs of the open changes, by how far they are", "status");
  const blocked = gauge("change_blocked", "Open master-key changes that cannot go on by themselves");

  return (readings) => {
    for (const one of [keks, registers, serving, anchored, states, changeKeks, blocked]) one.reset();
    for (const { vp, form, count } of readings.keksByPattern) keks.set({ vp, form }, count);
    for (const { unit, register, state } of readings.registers) registers.set({ unit, register, state }, 1);
    for (const { unit, serving: serves, keepsAnchors } of readings.units) {
      serving.set({ unit }, serves ? 1 : 0);
      anchored.set({ unit }, keepsAnchors ? 1 : 0);
    }
    for (const { change, state } of readings.changes) states.set({ change, state }, 1);
    for (const { status, count } of readings.changeKeks) changeKeks.set({ status }, count);
    blocked.set(readings.changes.filter((change) => change.blocked).length);
  };
}
