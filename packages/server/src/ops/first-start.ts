import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { newAccessToken } from "../core/crypto/access-token.ts";
import type { VouchedRows } from "../core/access/vouched-rows.ts";
import type { Clock } from "../core/clock.ts";
import { Failure, isFailure } from "../core/errors.ts";
import { createPrincipal } from "../core/operations/create-principal.ts";
import type { PrincipalStore } from "../core/ports/store.ts";
import type { UnitFolder } from "../core/ports/unit-folder.ts";
import type { DataFolder } from "./data-folder.ts";
import { writeSecretFile } from "./data-folder.ts";

/** Where the store is kept. */
interface StorePlace {
  /** For people. */
  readonly shown: string;
  /** Whether anything was ever stored there. */
  isThere(): Promise<boolean>;
}

/**
 * Tells a first start from one where something is missing. Keys are created at a first start only: where the database
 * is there without units, or units without the database, a new one would open none of the old keys, and is refused.
 * A mark that stands until the first start is complete lets one that was interrupted go on.
 */
export class FirstStart {
  readonly #data: DataFolder;
  readonly #mark: string;

  constructor(data: DataFolder) {
    this.#data = data;
    this.#mark = join(data.path, "first-start");
  }

  /** @throws Failure `store-missing`. */
  async isDue(store: StorePlace, folder: UnitFolder): Promise<boolean> {
    if (existsSync(this.#mark)) return true;
    const hasStore = await store.isThere();
    const hasUnits = (await folder.list()).length > 0;
    if (!hasStore && hasUnits)
      throw new Failure("store-missing", `there are crypto units but no database at ${store.shown}`);
    if (hasStore) return false;
    writeSecretFile(this.#mark, "");
    return true;
  }

  /** The first administrator: its token file first, so that a crash in between leaves a token that will be valid. */
  async createAdministrator(ports: {
    readonly store: PrincipalStore;
    readonly vouchedRows: VouchedRows;
    readonly clock: Clock;
  }): Promise<void> {
    const path = this.#data.adminToken;
    if (!existsSync(path)) writeSecretFile(path, `${newAccessToken()}\n`);
    const token = readFileSync(path, "utf8").trim();
    try {
      await createPrincipal(ports, {
        name: "administrator",
        kind: "person",
        grants: [{ role: "administrator", projectId: undefined }],
        requestsPerSecond: undefined,
        expiresAtMs: undefined,
        token,
      });
    } catch (error) {
      if (!isFailure(error, "principal-exists")) throw error;
    }
  }

  complete(): void {
    rmSync(this.#mark, { force: true });
  }
}
