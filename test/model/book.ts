import { DatabaseSync } from "node:sqlite";
import type { KeyRecord, ProjectRecord } from "../../packages/server/src/core/hierarchy/records.ts";
import type { KekId, ProjectId, UnitAddress, Vp } from "../../packages/server/src/core/ids.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../../packages/server/src/core/ids.ts";
import type { KekToOpen } from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { World } from "./world.ts";

/** The unit that nobody tampers with out of band, so that what is lost was lost by the service. */
export const ANCHOR = "01.0001" as UnitAddress;

const SLOTS = ["wrapped", "wrapped_new", "wrapped_old"] as const;

/** A KEK row past the service, by a connection of its own. */
export interface RawRow {
  readonly n: number;
  readonly kekId: KekId;
  readonly projectId: ProjectId;
  readonly kcv: Uint8Array;
  readonly current: Vp;
  readonly next: Vp | undefined;
  readonly previous: Vp | undefined;
  readonly forms: readonly { readonly vp: Vp; readonly blob: Uint8Array }[];
}

interface SqlRow {
  n: number;
  id: string;
  project_id: string;
  kcv: Uint8Array;
  wrapped: Uint8Array;
  wrapped_new: Uint8Array | null;
  wrapped_old: Uint8Array | null;
  vp: string;
  vp_new: string | null;
  vp_old: string | null;
}

interface Poison {
  readonly n: number;
  readonly bad: Uint8Array;
  readonly good: Uint8Array;
}

export interface Payload {
  readonly project: ProjectRecord;
  readonly key: KeyRecord;
  readonly plaintext: string;
  readonly ciphertext: Uint8Array;
}

/** What the model knows: what it made, and what it broke. */
export class Book {
  readonly projects: ProjectRecord[] = [];
  readonly keys: { project: ProjectRecord; key: KeyRecord }[] = [];
  readonly payloads: Payload[] = [];
  readonly poisons: Poison[] = [];
  /** Units whose registers somebody changed past the service; never the anchor's CURRENT. */
  readonly tampered = new Set<UnitAddress>();
  readonly olderFiles = new Map<UnitAddress, Uint8Array>();
  /** Something was broken in this run: requests may need their retries. */
  faulty = false;
  #names = 0;
  readonly #sql: DatabaseSync;

  /** `known`: the book of the world that the files of this one were copied from. */
  constructor(world: World, known?: Book) {
    this.projects.push(...(known?.projects ?? []));
    this.keys.push(...(known?.keys ?? []));
    this.payloads.push(...(known?.payloads ?? []));
    this.#sql = new DatabaseSync(world.storePath, { timeout: 2_000 });
    this.#sql.exec("PRAGMA synchronous = OFF");
  }

  close(): void {
    this.#sql.close();
  }

  name(kind: string): string {
    this.#names += 1;
    return `${kind}-${this.#names}`;
  }

  rows(): readonly RawRow[] {
    const rows = this.#sql
      .prepare(
        `SELECT k.*, a.vp AS vp, b.vp AS vp_new, c.vp AS vp_old FROM keks k
         LEFT JOIN master_keys a ON a.id = k.mk LEFT JOIN master_keys b ON b.id = k.mk_new
         LEFT JOIN master_keys c ON c.id = k.mk_old ORDER BY k.n`,
      )
      .all() as unknown as SqlRow[];
    return rows.map((row) => {
      const form = (vp: string | null, blob: Uint8Array | null) =>
        vp && blob ? [{ vp: vp as Vp, blob }] : [];
      return {
        n: row.n,
        kekId: row.id as KekId,
        projectId: row.project_id as ProjectId,
        kcv: row.kcv,
        current: row.vp as Vp,
        next: (row.vp_new as Vp | null) ?? undefined,
        previous: (row.vp_old as Vp | null) ?? undefined,
        forms: [
          ...form(row.vp, row.wrapped),
          ...form(row.vp_new, row.wrapped_new),
          ...form(row.vp_old, row.wrapped_old),
        ],
      };
    });
  }

  /** Flips a bit in one form of one row. */
  poison(which: number, slot: number): void {
    const rows = this.#sql.prepare("SELECT n, wrapped, wrapped_new, wrapped_old FROM keks ORDER BY n").all();
    const row = rows[which % rows.length];
    const column = SLOTS[slot % SLOTS.length] ?? "wrapped";
    const good = row?.[column];
    const n = Number(row?.["n"]);
    if (!(good instanceof Uint8Array) || this.poisons.some((one) => one.n === n)) return;
    const bad = Uint8Array.from(good);
    bad[20] = (bad[20] ?? 0) ^ 1;
    this.#sql.prepare(`UPDATE keks SET ${column} = ? WHERE n = ?`).run(bad, n);
    this.poisons.push({ n, bad, good });
    this.faulty = true;
  }

  /** Puts every flipped bit back, wherever the form is by now. */
  heal(): void {
    for (const { n, bad, good } of this.poisons.splice(0)) {
      for (const column of SLOTS)
        this.#sql.prepare(`UPDATE keks SET ${column} = ? WHERE n = ? AND ${column} = ?`).run(good, n, bad);
    }
  }
}

/** Whether a unit's CURRENT or OLD opens some form of a row; asked at its console, whether it is lost or not. */
export async function opensOn(world: World, address: UnitAddress, row: RawRow): Promise<boolean> {
  const unit = world.console(address);
  const held = (await unit.registers.read()).find(({ type }) => type === DEFAULT_TYPE);
  for (const wrapped of row.forms) {
    if (wrapped.vp !== held?.CURRENT.vp && wrapped.vp !== held?.OLD.vp) continue;
    const { kekId, projectId, kcv } = row;
    const kek: KekToOpen = { group: DEFAULT_GROUP, type: DEFAULT_TYPE, kekId, projectId, kcv, wrapped };
    try {
      (await unit.keks.open(kek))[Symbol.dispose]();
      return true;
    } catch {
      continue;
    }
  }
  return false;
}
