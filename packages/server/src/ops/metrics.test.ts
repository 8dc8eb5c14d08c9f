import { expect, test } from "vitest";
import { createMetrics } from "./metrics.ts";
import type { GaugeReadings } from "./metrics.ts";

const NOTHING: GaugeReadings = { keksByPattern: [], registers: [], units: [], changes: [], changeKeks: [] };

const metricsOf = (collect: () => GaugeReadings) => createMetrics({ version: "1.2.3", collect });

test("counts requests by operation and status, and how long they took", async () => {
  const metrics = metricsOf(() => NOTHING);
  metrics.observe("encrypt", 200, 0.003);
  metrics.observe("encrypt", 200, 0.2);
  metrics.observe("encrypt", 403, 0.001);
  const text = await metrics.text();
  expect(text).toContain('claviger_http_requests_total{operation="encrypt",code="200"} 2');
  expect(text).toContain('claviger_http_requests_total{operation="encrypt",code="403"} 1');
  expect(text).toContain('claviger_http_request_duration_seconds_bucket{le="0.005",operation="encrypt"} 2');
  expect(text).toContain('claviger_http_request_duration_seconds_count{operation="encrypt"} 3');
});

test("says what runs, and measures the process", async () => {
  const text = await metricsOf(() => NOTHING).text();
  expect(text).toContain(`claviger_build_info{version="1.2.3",node="${process.version}"} 1`);
  expect(text).toContain("claviger_process_cpu_user_seconds_total");
});

test("says for how long the event loop had work", async () => {
  const metrics = metricsOf(() => NOTHING);
  const active = async () =>
    Number(/^claviger_event_loop_active_seconds_total (\S+)$/m.exec(await metrics.text())?.[1]);
  const before = await active();
  const endMs = performance.now() + 60;
  while (performance.now() < endMs);
  await new Promise((resolve) => setTimeout(resolve, 1));
  expect((await active()) - before).toBeGreaterThan(0.05);
});

test("says how late the event loop comes, without the time between two samples", async () => {
  const metrics = metricsOf(() => NOTHING);
  const delay = async (quantile: string) => {
    const text = await metrics.text();
    return Number(
      new RegExp(`^claviger_event_loop_delay_seconds{quantile="${quantile}"} (\\S+)$`, "m").exec(text)?.[1],
    );
  };
  // The median of some short while: a machine that is busy all the time makes every loop late.
  await expect.poll(() => delay("0.5"), { interval: 100, timeout: 4000 }).toBeLessThan(0.009);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const endMs = performance.now() + 60;
  while (performance.now() < endMs);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(await delay("1")).toBeGreaterThan(0.04);
});

test("every metric has the prefix", async () => {
  const text = await metricsOf(() => NOTHING).text();
  const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]);
  expect(names.length).toBeGreaterThan(10);
  expect(names.filter((name) => !name?.startsWith("claviger_"))).toEqual([]);
});

test("shows the state of registers, units, KEKs and changes as it is when asked", async () => {
  let readings: GaugeReadings = {
    keksByPattern: [
      { vp: "ab".repeat(32), form: "current", count: 20_000 },
      { vp: "cd".repeat(32), form: "next", count: 12 },
    ],
    registers: [{ unit: "03.0033", register: "NEW", state: "full committed" }],
    units: [
      { unit: "03.0033", serving: true, keepsAnchors: true },
      { unit: "03.0034", serving: false, keepsAnchors: false },
    ],
    changes: [{ change: "c1", state: "REENCIPHERING", blocked: true }],
    changeKeks: [{ status: "lacking", count: 19_988 }],
  };
  const metrics = metricsOf(() => readings);
  const before = await metrics.text();
  expect(before).toContain(`claviger_keks_by_pattern{vp="${"ab".repeat(32)}",form="current"} 20000`);
  expect(before).toContain(`claviger_keks_by_pattern{vp="${"cd".repeat(32)}",form="next"} 12`);
  expect(before).toContain(
    'claviger_unit_register_state{unit="03.0033",register="NEW",state="full committed"} 1',
  );
  expect(before).toContain('claviger_unit_serving{unit="03.0033"} 1');
  expect(before).toContain('claviger_unit_serving{unit="03.0034"} 0');
  expect(before).toContain('claviger_unit_keeps_anchors{unit="03.0033"} 1');
  expect(before).toContain('claviger_unit_keeps_anchors{unit="03.0034"} 0');
  expect(before).toContain('claviger_change_state{change="c1",state="REENCIPHERING"} 1');
  expect(before).toContain('claviger_change_keks{status="lacking"} 19988');
  expect(before).toContain("claviger_change_blocked 1");

  readings = NOTHING;
  const after = await metrics.text();
  expect(after).not.toMatch(/^claviger_(keks_by_pattern|unit_|change_state|change_keks)[^ ]*\{/m);
  expect(after).toContain("claviger_change_blocked 0");
});

test("a scrape fails when the state cannot be read, rather than show an old one", async () => {
  const metrics = metricsOf(() => {
    throw new Error("no database");
  });
  await expect(metrics.text()).rejects.toThrow("no database");
});

test("two daemons in one process have registries of their own", async () => {
  const [one, other] = [metricsOf(() => NOTHING), metricsOf(() => NOTHING)];
  one.observe("encrypt", 200, 0.1);
  expect(await other.text()).not.toContain('operation="encrypt"');
});
