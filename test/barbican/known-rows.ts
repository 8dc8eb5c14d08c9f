import { randomBytes, randomUUID } from "node:crypto";
import { parsePluginMeta, pluginMeta } from "../../packages/server/src/core/barbican/plugin-meta.ts";
import type { WrappedProjectKey } from "../../packages/server/src/core/barbican/project-key.ts";
import { flipped, NEW_HMAC_KEY, NEW_MKEK, OLD } from "./known-token.ts";
import type { Place } from "./places.ts";
import type { Dialect, KekValues } from "./schema.ts";
import { insertKeks, insertProject, schema } from "./schema.ts";
import { HMAC_KEY, hmacOf, MKEK, openInSoftware, wrapInSoftware } from "./vectors.ts";

/*
 * A database of Barbican whose every row is known: what key is in it, or why it cannot be moved. Whatever happens to a
 * rewrap, every key must open in software under what its row says, and what cannot be moved must be as it was.
 */

/** A label that the token has two MKEKs of. */
export const TWICE = "doppelt";
/** How many rows are under the target already. */
const ALREADY = 5;
/** How many have no key yet. */
const UNBOUND = 3;

const PROJECT = "11111111-2222-4333-8444-555555555555";
const MASTER_KEYS = new Map([
  [OLD.mkekLabel as string, [MKEK, HMAC_KEY] as const],
  ["neu", [NEW_MKEK, NEW_HMAC_KEY] as const],
]);

interface KnownRow {
  readonly id: string;
  /** As it was made. */
  readonly text: string | null;
  /** In hex; undefined for what cannot be moved. */
  readonly value: string | undefined;
  readonly refused?: string;
}

export interface FoundRow {
  readonly id: string;
  readonly plugin_meta: string | null;
}

export class KnownRows {
  readonly #place: Place;
  readonly #rows: ReadonlyMap<string, KnownRow>;

  private constructor(place: Place, rows: readonly KnownRow[]) {
    this.#place = place;
    this.#rows = new Map(rows.map((row) => [row.id, row]));
  }

  /** Makes the tables, and `movable` rows under the old labels beside some of every other sort. */
  static async fill(place: Place, dialect: Dialect, movable: number): Promise<KnownRows> {
    for (const sql of [...schema(dialect), insertProject(PROJECT, "projekt")]) await place.run(sql);
    const rows: KnownRow[] = [
      ...Array.from({ length: movable }, () => keyRow("old")),
      ...Array.from({ length: ALREADY }, () => keyRow("new")),
      ...Array.from({ length: UNBOUND }, () => ({ id: randomUUID(), text: null, value: undefined })),
      ...poisonRows(),
    ];
    // SQLite gives them as they came, servers by their ids.
    rows.sort((a, b) => (a.id < b.id ? -1 : 1));
    const states = [{}, {}, { isActive: false }, { isDeleted: true, isActive: false }] as const;
    await place.run(
      insertKeks(
        rows.map(({ id, text }, i): KekValues => {
          const quoted = text === null ? "NULL" : `'${text.replaceAll("'", "''")}'`;
          return { id, projectId: PROJECT, pluginMeta: quoted, ...states[i % states.length] };
        }),
      ),
    );
    return new KnownRows(place, rows);
  }

  get counts(): {
    readonly movable: number;
    readonly already: number;
    readonly unbound: number;
    readonly failed: number;
  } {
    const failed = this.failures.length;
    return {
      movable: this.#rows.size - ALREADY - UNBOUND - failed,
      already: ALREADY,
      unbound: UNBOUND,
      failed,
    };
  }

  /** What a report must say of rows that cannot be moved. */
  get failures(): readonly { readonly id: string; readonly refused: string }[] {
    return [...this.#rows.values()].flatMap(({ id, refused }) =>
      refused === undefined ? [] : { id, refused },
    );
  }

  /** The base64 of what is wrapped in rows that were made: no output may have it. */
  get wrappedTexts(): readonly string[] {
    return [...this.#rows.values()].flatMap(({ text }) => text?.match(/[\w+/]{40,}=*/g) ?? []);
  }

  /** Whether it has no key, or one that cannot be moved. */
  isUnmovable(id: string): boolean {
    return this.#rows.get(id)?.value === undefined;
  }

  async read(): Promise<readonly FoundRow[]> {
    return this.#place.run<FoundRow>("SELECT id, plugin_meta FROM kek_data");
  }

  /**
   * How many rows that were to be moved are under the target. Throws where a row is lost, holds another key or none, or was
   * changed although it cannot be moved.
   */
  async check(): Promise<{ readonly moved: number }> {
    const found = await this.read();
    if (found.length !== this.#rows.size) throw new Error("rows are lost");
    let underTarget = 0;
    for (const { id, plugin_meta: text } of found) {
      const known = this.#rows.get(id);
      if (!known) throw new Error(`nobody made the row ${id}`);
      if (known.value === undefined) {
        if (text !== known.text) throw new Error(`the row ${id} cannot be moved, and was changed`);
        continue;
      }
      const key = keyOf(text);
      const [mkek, hmacKey] = MASTER_KEYS.get(key.mkekLabel) ?? [];
      if (!mkek || !hmacKey) throw new Error(`the row ${id} names an MKEK that there is not`);
      if (openInSoftware(key, mkek, hmacKey).toString("hex") !== known.value)
        throw new Error(`the row ${id} holds another key`);
      if (key.mkekLabel === "neu") underTarget += 1;
    }
    return { moved: underTarget - ALREADY };
  }
}

export function keyOf(text: string | null): WrappedProjectKey {
  const key = parsePluginMeta(text ?? "");
  if ("refused" in key) throw new Error(key.refused);
  return key;
}

function keyRow(under: "old" | "new"): KnownRow {
  const value = randomBytes(32);
  const labels = under === "old" ? OLD : { mkekLabel: "neu", hmacLabel: "neu" };
  const [mkek, hmacKey] = MASTER_KEYS.get(labels.mkekLabel) ?? [];
  const key = wrapInSoftware(
    value,
    { ...labels, iv: null, mechanism: "CKM_AES_KEY_WRAP_PAD" },
    mkek,
    hmacKey,
  );
  return { id: randomUUID(), text: pluginMeta(key), value: value.toString("hex") };
}

/** One row of each sort that a token of SoftHSM 2.6.1 with these keys cannot move. */
function poisonRows(): readonly KnownRow[] {
  const good = (changes: Partial<WrappedProjectKey> = {}): WrappedProjectKey => ({
    ...keyOf(keyRow("old").text),
    ...changes,
  });
  const key = good();
  const wrong = flipped(key.wrapped);
  const iv = randomBytes(16);
  const cbc = wrapInSoftware(randomBytes(32), { ...OLD, iv, mechanism: "CKM_AES_CBC_PAD" });
  const rows: readonly (readonly [refused: string, text: string])[] = [
    ["hmac-mismatch", pluginMeta(good({ hmac: flipped(key.hmac) }))],
    ["not-opened", pluginMeta({ ...key, wrapped: wrong, hmac: hmacOf(null, wrong) })],
    ["mkek-missing", pluginMeta(good({ mkekLabel: "nirgends" }))],
    ["mkek-ambiguous", pluginMeta(good({ mkekLabel: TWICE }))],
    ["hmac-key-missing", pluginMeta(good({ hmacLabel: "nirgends" }))],
    // The HMAC of 2015, over what is wrapped alone, is taken for right; SoftHSM does not unwrap by the mechanism.
    ["mechanism-unsupported", pluginMeta({ ...cbc, hmac: hmacOf(null, cbc.wrapped) })],
    ["malformed", pluginMeta(good({ wrapped: key.wrapped.subarray(1) }))],
    ["unreadable", pluginMeta(good()).replace("CKM_AES_KEY_WRAP_PAD", "CKM_AES_GCM")],
    ["unreadable", pluginMeta(good()).slice(0, -1)],
    ["unreadable", "gAAAAABnLZsK"],
  ];
  // Some are in the first page, and some in the last.
  return rows.map(([refused, text], i) => {
    const id = `${i % 2 === 0 ? "0" : "f"}${randomUUID().slice(1)}`;
    return { id, text, value: undefined, refused };
  });
}
