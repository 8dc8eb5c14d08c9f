import { chmodSync, copyFileSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { CryptoUnit } from "../../packages/server/src/core/unit/crypto-unit.ts";
import { openSoftwareUnit } from "../../packages/server/src/units/software/software-unit.ts";
import { pinOf } from "../contracts/software-units.ts";

/** What is in a data folder, for tests that look at it without a daemon, or beside one. */

export function databasePath(folder: string): string {
  return join(folder, "store", "claviger.db");
}

export function openDatabase(
  folder: string,
  options: { readonly readOnly: boolean } = { readOnly: true },
): DatabaseSync {
  return new DatabaseSync(databasePath(folder), { ...options, timeout: 5_000 });
}

export function unitPath(folder: string, address: string): string {
  return join(folder, "units", `${address}.unit`);
}

export function pinPath(folder: string, address: string): string {
  return join(folder, "pins", `${address}.pin`);
}

/** Opens a unit in this process. No daemon may have it open. */
export async function openUnit(folder: string, address: string): Promise<CryptoUnit> {
  using pin = pinOf(readFileSync(pinPath(folder, address), "utf8").trim());
  return await openSoftwareUnit({ path: unitPath(folder, address), pin, thread: "inline" });
}

/** Files and folders with their modes, but for what only says that a daemon runs. */
export function copyFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true, mode: 0o700 });
  chmodSync(to, 0o700);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.name.startsWith("daemon.")) continue;
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) copyFolder(source, target);
    else {
      copyFileSync(source, target);
      chmodSync(target, 0o600); // version control keeps no such mode
    }
  }
}
