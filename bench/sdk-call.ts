/**
 * What one call through the SDK costs the caller, against the bare loop of node:http over kept connections and against
 * fetch. The server is a process of its own; the figure is CPU time of this process per call, which is what a load
 * generator has to pay, and the wall time of calls one after the other.
 *
 *   node bench/sdk-call.ts [--calls 20000] [--json]
 */
import { fork } from "node:child_process";
import * as http from "node:http";
import { parseArgs } from "node:util";
import { ClavigerClient, fetchTransport } from "@claviger/sdk";

const REPLY = JSON.stringify({
  ciphertext: Buffer.alloc(120, 7).toString("base64"),
  keyId: "00000000-0000-4000-8000-000000000000",
  keyVersion: 1,
});
const PATH = "/v1/projects/alpha/keys/main/encrypt";
const plaintext = new Uint8Array(32);
const body = JSON.stringify({
  plaintext: Buffer.from(plaintext).toString("base64"),
  context: { purpose: "bench" },
});

if (process.send !== undefined) {
  const server = http.createServer((request, response) => {
    request.resume();
    request.on("end", () => response.writeHead(200, { "content-type": "application/json" }).end(REPLY));
  });
  server.listen(0, "127.0.0.1", () => process.send?.(server.address()));
  process.on("disconnect", () => process.exit());
} else {
  const { values } = parseArgs({
    options: { calls: { type: "string", default: "20000" }, json: { type: "boolean" } },
  });
  await measureAll(Number(values.calls), values.json === true);
}

async function measureAll(calls: number, json: boolean): Promise<void> {
  const server = fork(new URL(import.meta.url));
  const { port } = await new Promise<{ port: number }>((resolve) => {
    server.once("message", (address) => resolve(address as { port: number }));
  });
  const address = `http://127.0.0.1:${port}`;
  const agent = new http.Agent({ keepAlive: true, maxSockets: 256, scheduling: "lifo" });
  using client = new ClavigerClient({ address, token: "bench" });
  using fetching = new ClavigerClient({ address, token: "bench", transport: fetchTransport() });
  const call = { project: "alpha", key: "main", plaintext, context: { purpose: "bench" } };

  const ways = {
    "bare node:http": () => bare(agent, port),
    sdk: () => client.keys.encrypt(call),
    "bare fetch": async () => (await fetch(address + PATH, { method: "POST", body })).json(),
    "sdk over fetch": () => fetching.keys.encrypt(call),
  };
  const results = [];
  for (const [name, way] of Object.entries(ways)) {
    await loop(way, calls / 4, 32); // warms up
    const many = await loop(way, calls, 32);
    const single = await loop(way, calls / 2, 1);
    results.push({
      name,
      cpuMicros: many.cpuMicros,
      wallMicros: many.wallMicros,
      singleWallMicros: single.wallMicros,
    });
  }
  server.disconnect();
  agent.destroy();
  const floor = results[0]?.cpuMicros ?? 0;
  if (!json) console.table(results);
  console.log(
    JSON.stringify({
      name: "sdk-call",
      figure: results[1]?.cpuMicros,
      floor,
      ratio: Number(((results[1]?.cpuMicros ?? 0) / floor).toFixed(2)),
      unit: "µs CPU per call",
      results: results.map(({ name, cpuMicros }) => ({
        name,
        figure: cpuMicros,
        floor,
        ratio: Number((cpuMicros / floor).toFixed(2)),
        unit: "µs CPU per call",
      })),
    }),
  );
}

/** Makes `calls` calls, `atOnce` in flight. */
async function loop(way: () => Promise<unknown>, calls: number, atOnce: number) {
  const cpu = process.cpuUsage();
  const start = performance.now();
  let left = calls;
  const worker = async () => {
    while (left-- > 0) await way();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const { user, system } = process.cpuUsage(cpu);
  return {
    cpuMicros: Number(((user + system) / calls).toFixed(1)),
    wallMicros: Number((((performance.now() - start) * 1000) / calls).toFixed(1)),
  };
}

function bare(agent: http.Agent, port: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { host: "127.0.0.1", port, method: "POST", path: PATH, agent },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => resolve(JSON.parse(Buffer.concat(chunks).toString())));
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}
