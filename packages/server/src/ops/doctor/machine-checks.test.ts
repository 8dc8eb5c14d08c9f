import { describe, expect, test } from "vitest";
import { checkClock, checkTimeKeeping } from "./check-clock.ts";
import { checkCoreDumps } from "./check-core-dumps.ts";
import { checkDebugger } from "./check-debugger.ts";
import { checkDiskSpace } from "./check-disk-space.ts";
import { checkSwap } from "./check-swap.ts";
import { checkVersions } from "./check-versions.ts";

describe("core dumps", () => {
  const limits = (soft: string) =>
    `Limit                     Soft Limit           Hard Limit           Units     \nMax core file size        ${soft.padEnd(21)}unlimited            bytes     \n`;

  test.for([
    ["0", "core", true, "ok"],
    ["0", "|/usr/lib/systemd/systemd-coredump %P %u", true, "ok"],
    ["0", "|/usr/share/apport/apport -p%p", true, "ok"],
    ["0", "|/opt/dumper %p", true, "warning"],
    ["unlimited", "core", true, "broken"],
    ["1048576", "core", true, "broken"],
    ["unlimited", "core", false, "warning"],
    ["0", "core", false, "ok"],
  ] as const)("limit %s with pattern %s, a daemon %s: %s", ([soft, pattern, runs, verdict]) => {
    expect(checkCoreDumps(limits(soft), pattern, runs).verdict).toBe(verdict);
  });

  test("cannot be told where limits cannot be read", () => {
    expect(checkCoreDumps(undefined, undefined, true).verdict).toBe("unknown");
  });
});

describe("debugger", () => {
  test.for([
    [["node", "--disable-sigusr1", "clavigerd.js", "serve"], "ok"],
    [["node", "clavigerd.js", "serve"], "broken"],
    [["node", "--disable-sigusr1", "--inspect=0.0.0.0", "clavigerd.js"], "broken"],
    [undefined, "unknown"],
  ] as const)("%j: %s", ([commandLine, verdict]) => {
    expect(checkDebugger(commandLine).verdict).toBe(verdict);
  });
});

describe("swap", () => {
  const HEAD = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
  const mappings: Readonly<Record<string, string>> = {
    "/dev/dm-1": "CRYPT-PLAIN-swap",
    "/dev/dm-2": "LVM-abc",
  };
  const check = (lines: string) => checkSwap(HEAD + lines, (device) => mappings[device]);
  const area = (device: string) => `${device}                               partition\t1000000\t\t0\t\t-2\n`;

  test.for([
    ["", "ok", "none"],
    [area("/dev/dm-1"), "ok", "/dev/dm-1"],
    [area("/dev/zram0"), "ok", "/dev/zram0"],
    [area("/dev/sda2"), "warning", "/dev/sda2 is not encrypted"],
    [area("/dev/dm-2"), "warning", "/dev/dm-2 is not encrypted"],
    [area("/swapfile") + area("/dev/dm-1"), "warning", "/swapfile is not encrypted"],
  ])("%j: %s", ([lines = "", verdict, found = ""]) => {
    expect(check(lines).verdict).toBe(verdict);
    expect(check(lines).found).toContain(found);
  });

  test("cannot be told where the kernel does not list it", () => {
    expect(checkSwap(undefined, () => undefined).verdict).toBe("unknown");
  });
});

describe("clock", () => {
  const good = {
    wallMs: Date.UTC(2026, 10, 25),
    wallElapsedMs: 200,
    monotonicElapsedMs: 200.4,
    lastWriteMs: Date.UTC(2026, 10, 24),
  };

  test.for([
    ["as it should be", {}, "ok"],
    ["without a database", { lastWriteMs: undefined }, "ok"],
    ["before this release", { wallMs: 0, lastWriteMs: undefined }, "broken"],
    ["before the last write of the database", { lastWriteMs: Date.UTC(2026, 10, 26) }, "broken"],
    ["a second before the last write, as file systems round", { lastWriteMs: good.wallMs + 1_000 }, "ok"],
    ["that jumps forward", { wallElapsedMs: 3_600_200 }, "warning"],
    ["that jumps back", { wallElapsedMs: -3_000 }, "warning"],
  ] as const)("%s", ([, change, verdict]) => {
    expect(checkClock({ ...good, ...change }).verdict).toBe(verdict);
  });

  test("is kept by NTP, or not, or nobody knows", () => {
    expect([true, false, undefined].map((known) => checkTimeKeeping(known).verdict)).toEqual([
      "ok",
      "warning",
      "unknown",
    ]);
  });
});

describe("versions", () => {
  const good = { node: "26.10.0", sqlite: "3.53.4", openssl: "3.5.8" };

  test.for([
    [{}, "ok"],
    [{ node: "24.0.0" }, "ok"],
    [{ node: "22.20.0" }, "broken"],
    [{ node: "100.0.0-nightly" }, "ok"],
    [{ sqlite: "3.51.2" }, "broken"],
    [{ sqlite: "3.51.3" }, "ok"],
    [{ openssl: "1.1.1w+quic" }, "broken"],
    [{ openssl: "3.0.0+quic" }, "ok"],
    [{ sqlite: undefined }, "broken"],
  ] as const)("%j: %s", ([change, verdict]) => {
    expect(checkVersions({ ...good, ...change } as typeof good).verdict).toBe(verdict);
  });
});

describe("disk space", () => {
  test.for([
    [50, "broken"],
    [500, "warning"],
    [5_000, "ok"],
  ] as const)("%i MiB free: %s", ([mib, verdict]) => {
    expect(checkDiskSpace({ bavail: mib * 256, bsize: 4096 }).verdict).toBe(verdict);
  });
});
