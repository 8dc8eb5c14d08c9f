import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ClavigerClient } from "@claviger/sdk";
import { percentileMs } from "../demo/load/latencies.ts";
import { startServer } from "../demo/server-process.ts";
import type { LoadTarget } from "./serve/closed-loop.ts";
import { closedLoop } from "./serve/closed-loop.ts";

/*
 * What the daemon serves: authenticated encrypts of 64 bytes, each recorded in the chained audit log on disk before its reply,
 * over keep-alive connections with one request under way each. The floor is a bare node:http server that parses JSON and
 * answers JSON (serve/echo-server.ts), under the same load from the same client, its rounds between those of the daemon.
 *
 *   npm run bench:serve -- --connections 32,128 --rounds 5 --seconds 3 --json
 */

const { values } = parseArgs({
  options: {
    connections: { type: "string", default: "32,128" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "3" },
    json: { type: "boolean" },
  },
});
const ROUNDS = Number(values.rounds);
const SECONDS = Number(values.seconds);
const WARM_UP_MS = 2_000;

interface Round {
  readonly perSecond: number;
  readonly p99Ms: number;
  /** Of the server, its threads included. */
  readonly cpuMicroseconds: number;
  /** Of the server; undefined for the floor. */
  readonly loopDelayP99Ms: number | undefined;
}

const folder = mkdtempSync(join(tmpdir(), "claviger-serve-bench-"));
const aborted = new AbortController();
process.once("SIGINT", () => aborted.abort(new Error("interrupted")));
try {
  await bench();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function bench(): Promise<void> {
  await using server = await startServer(
    join(folder, "data"),
    {},
    (line) => console.error(line),
    aborted.signal,
  );
  using client = new ClavigerClient(server);
  await client.projects.create({ name: "shop" });
  await client.keys.create({ project: "shop", name: "orders" });
  const plaintext = Buffer.alloc(64, 1).toString("base64");
  const body = JSON.stringify({ plaintext, context: { order: "42" } });
  await using echo = await startEcho();
  const encrypt = { path: "/v1/projects/shop/keys/orders/encrypt", token: server.token, body };
  const targets = { floor: { ...encrypt, address: echo.address }, daemon: { ...encrypt, ...server } };

  const results = [];
  for (const connections of values.connections.split(",").map(Number)) {
    const rounds: Record<keyof typeof targets, Round[]> = { floor: [], daemon: [] };
    for (const target of Object.values(targets)) await closedLoop(target, connections, WARM_UP_MS);
    for (let round = 0; round < ROUNDS; round += 1)
      for (const name of ["floor", "daemon"] as const)
        rounds[name].push(await measure(targets[name], connections));
    const daemon = summary(rounds.daemon);
    const floor = summary(rounds.floor);
    const ratio = round2(daemon.perSecond / floor.perSecond);
    const name = `serve encrypt, ${connections} connections`;
    results.push({
      name,
      figure: daemon.perSecond,
      floor: floor.perSecond,
      ratio,
      unit: "requests/s",
      daemon,
    });
    console.log(
      `${name}: ${daemon.perSecond} of ${floor.perSecond} requests/s, ${ratio} of the floor; ` +
        `${daemon.cpuMicroseconds} µs of processor time a request (floor ${floor.cpuMicroseconds}); ` +
        `p99 ${daemon.p99Ms} ms; event-loop delay p99 ${daemon.loopDelayP99Ms} ms`,
    );
  }
  const [first] = results;
  if (values.json) console.log(JSON.stringify({ ...first, results }));
}

async function measure(target: LoadTarget, connections: number): Promise<Round> {
  const before = await metricsOf(target);
  const begun = performance.now();
  const { requests, latencies } = await closedLoop(target, connections, SECONDS * 1000);
  const seconds = (performance.now() - begun) / 1000;
  const after = await metricsOf(target);
  const delay = after('claviger_event_loop_delay_seconds{quantile="0.99"}');
  return {
    perSecond: requests / seconds,
    p99Ms: percentileMs(latencies, 99) ?? 0,
    cpuMicroseconds: ((cpuSeconds(after) - cpuSeconds(before)) * 1e6) / requests,
    loopDelayP99Ms: delay === undefined ? undefined : delay * 1000,
  };
}

type Metrics = (name: string) => number | undefined;

async function metricsOf({ address }: LoadTarget): Promise<Metrics> {
  const text = await (await fetch(new URL("/metrics", address))).text();
  return (name) => {
    const value = new RegExp(`^${RegExp.escape(name)} (\\S+)$`, "m").exec(text)?.[1];
    return value === undefined ? undefined : Number(value);
  };
}

function cpuSeconds(metrics: Metrics): number {
  const seconds = metrics("claviger_process_cpu_seconds_total");
  if (seconds === undefined)
    throw new Error("the metrics of the server do not say what processor time it used");
  return seconds;
}

/** Medians over the rounds. */
function summary(rounds: readonly Round[]) {
  const delays = rounds.flatMap(({ loopDelayP99Ms }) => loopDelayP99Ms ?? []);
  return {
    perSecond: Math.round(median(rounds.map(({ perSecond }) => perSecond))),
    p99Ms: round2(median(rounds.map(({ p99Ms }) => p99Ms))),
    cpuMicroseconds: round2(median(rounds.map(({ cpuMicroseconds }) => cpuMicroseconds))),
    loopDelayP99Ms: delays.length === 0 ? null : round2(median(delays)),
  };
}

async function startEcho(): Promise<{ readonly address: string } & AsyncDisposable> {
  const file = fileURLToPath(new URL("serve/echo-server.ts", import.meta.url));
  const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return {
    address: line.replace("serves on ", ""),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}
