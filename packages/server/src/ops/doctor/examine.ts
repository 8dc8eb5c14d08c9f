import { spawnSync } from "node:child_process";
import { existsSync, realpathSync, statSync, statfsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Failure } from "../../core/errors.ts";
import { isFailure } from "../../core/errors.ts";
import type { Config } from "../config.ts";
import type { StoreAddress } from "../store-address.ts";
import { checkClock, checkTimeKeeping } from "./check-clock.ts";
import { checkCoreDumps } from "./check-core-dumps.ts";
import type { DatabaseReading } from "./check-database.ts";
import { checkDatabase } from "./check-database.ts";
import { checkDebugger } from "./check-debugger.ts";
import { checkDiskSpace } from "./check-disk-space.ts";
import { checkFiles } from "./check-files.ts";
import { checkLayout } from "./check-layout.ts";
import { checkListener } from "./check-listener.ts";
import { checkSwap } from "./check-swap.ts";
import { checkVersions } from "./check-versions.ts";
import type { Finding } from "./finding.ts";
import { finding } from "./finding.ts";
import type { RunningDaemon } from "./running-daemon.ts";
import { checkDaemon, runningDaemon, textOf } from "./running-daemon.ts";

const CLOCK_LOOK_MS = 200;

/** Asks a PostgreSQL database. @throws Failure. */
export type ReadDatabase = (address: StoreAddress) => Promise<DatabaseReading>;

/**
 * Looks at this machine, at the data folder and at the database, and changes none of them. `config` is what the daemon would
 * be told, or why it would refuse that; then only the machine is looked at.
 */
export async function examine(
  config: Config | Failure,
  readDatabase: ReadDatabase,
): Promise<readonly Finding[]> {
  const folder = isFailure(config) ? undefined : config.dataFolder;
  const daemon = folder === undefined ? undefined : runningDaemon(folder);
  return [
    checkVersions(process.versions),
    ...machineFindings(daemon),
    ...(await clockFindings(folder)),
    ...(isFailure(config)
      ? [finding("configuration", "broken", config.message, config.advice)]
      : [finding("configuration", "ok", "valid"), checkListener(config, new Date())]),
    ...(isFailure(config) ? [] : folderFindings(config, daemon)),
    ...(isFailure(config) ? [] : await databaseFindings(config, readDatabase, daemon)),
  ];
}

async function databaseFindings(
  { store }: Config,
  read: ReadDatabase,
  daemon: RunningDaemon | undefined,
): Promise<readonly Finding[]> {
  if (!store) return [];
  try {
    return checkDatabase(store, await read(store), daemon !== undefined);
  } catch (error) {
    if (!isFailure(error)) throw error;
    return [finding("database", "broken", error.message, error.advice)];
  }
}

function machineFindings(daemon: RunningDaemon | undefined): Finding[] {
  const limits = daemon === undefined ? textOf("/proc/self/limits") : daemon.limits;
  return [
    checkCoreDumps(limits, textOf("/proc/sys/kernel/core_pattern"), daemon !== undefined),
    checkDebugger(daemon?.commandLine),
    checkSwap(textOf("/proc/swaps"), mappingOf),
  ];
}

/** https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-block-dm */
function mappingOf(device: string): string | undefined {
  const block = existsSync(device) ? basename(realpathSync(device)) : basename(device);
  return textOf(`/sys/block/${block}/dm/uuid`);
}

async function clockFindings(folder: string | undefined): Promise<Finding[]> {
  const [wallMs, monotonicMs] = [Date.now(), performance.now()];
  await sleep(CLOCK_LOOK_MS);
  const reading = {
    wallElapsedMs: Date.now() - wallMs,
    monotonicElapsedMs: performance.now() - monotonicMs,
    lastWriteMs: folder === undefined ? undefined : lastWriteMs(folder),
    wallMs,
  };
  return [checkClock(reading), checkTimeKeeping(isSynchronised())];
}

function lastWriteMs(folder: string): number | undefined {
  const files = ["claviger.db", "claviger.db-wal"].map((name) => join(folder, "store", name));
  const times = files.flatMap((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? []);
  return times.length === 0 ? undefined : Math.max(...times);
}

function isSynchronised(): boolean | undefined {
  const { status, stdout } = spawnSync("timedatectl", ["show", "--property=NTPSynchronized", "--value"], {
    encoding: "utf8",
    timeout: 5_000,
  });
  if (status === 0) return stdout.trim() === "yes";
  return existsSync("/run/systemd/timesync/synchronized") ? true : undefined;
}

function folderFindings({ dataFolder: folder, store }: Config, daemon: RunningDaemon | undefined): Finding[] {
  const [part, use] = store ? (["audit", "audit log"] as const) : (["store", "database"] as const);
  const space = checkDiskSpace(statfsSync(nearestFolder(join(folder, part))), use);
  if (!existsSync(folder)) {
    return [finding("data folder", "ok", `there is none yet at ${folder}; the first start makes it`), space];
  }
  return [
    finding("data folder", "ok", folder),
    checkFiles(folder),
    checkLayout(folder, store ? ["units", "pins"] : undefined),
    space,
    checkDaemon(daemon),
  ];
}

/** The folder itself, or the one in which it will be made. */
function nearestFolder(path: string): string {
  return existsSync(path) ? path : nearestFolder(dirname(path));
}
