import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ClavigerClient } from "@claviger/sdk";
import type { Interposed } from "../../packages/server/src/compose.ts";
import type { Store } from "../../packages/server/src/core/ports/store.ts";
import type { CryptoUnit } from "../../packages/server/src/core/unit/crypto-unit.ts";
import { startTestDaemon } from "../daemon.ts";
import { clockOf } from "./clock-ahead.ts";

/** The daemon, composed in this process on a folder, with its store and units at hand. */
export interface Service extends AsyncDisposable {
  readonly url: string;
  readonly folder: string;
  readonly store: Store;
  /** Units by address, as they were last opened. */
  readonly units: ReadonlyMap<string, CryptoUnit>;
  stop(): Promise<void>;
}

/** Starts the daemon, with what a test puts between. */
export async function startService(folder: string, between: Interposed = {}): Promise<Service> {
  const units = new Map<string, CryptoUnit>();
  const held: { store?: Store } = {};
  const daemon = await startTestDaemon({
    folder,
    clock: clockOf(folder),
    store: (store) => {
      held.store = store;
      return between.store?.(store) ?? store;
    },
    unit: (unit) => {
      units.set(unit.description.address, unit);
      return between.unit?.(unit) ?? unit;
    },
  });
  if (!held.store) throw new Error("the daemon has no store");
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= daemon.daemon.stop());
  return { url: daemon.address, folder, store: held.store, units, stop, [Symbol.asyncDispose]: stop };
}

/** A client of the administrator. Two retries are what the SDK does by itself and the manual promises. */
export function administrator(
  at: { readonly url: string; readonly folder: string },
  retries: 0 | 2,
): ClavigerClient {
  const token = readFileSync(join(at.folder, "admin.token"), "utf8").trim();
  return new ClavigerClient({ address: at.url, token, retries });
}
