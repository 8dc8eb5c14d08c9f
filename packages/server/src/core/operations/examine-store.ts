import type { VouchedRows } from "../access/vouched-rows.ts";
import { isFailure } from "../errors.ts";
import { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { Vp } from "../ids.ts";
import { shownVp } from "../ids.ts";
import type { Fence } from "../master-key-change/change.ts";
import type { Alarms } from "../ports/alarms.ts";
import type { Store } from "../ports/store.ts";
import type { FenceRef, RewrapRow } from "../ports/change-store.ts";
import type { Page, PageOf } from "../ports/store-call.ts";
import type { AttachedUnits, ReachableUnit } from "../unit/attached-units.ts";
import { readingOf } from "../unit/attached-units.ts";
import { openVouchedRows } from "./initialise.ts";

/** What was looked at in a store, and what was wrong. */
export interface StoreFindings {
  readonly keks: number;
  /** KEKs that were opened in a unit. */
  readonly keksOpened: number;
  /** Keys, key versions, import tokens, principals, tokens and approvals whose MACs were checked. */
  readonly rowsVouched: number;
  /** One sentence each; at most 100, the rest is counted in the last one. */
  readonly problems: readonly string[];
}

const PAGE_ROWS = 1_000;
const PROBLEMS_NAMED = 100;

/**
 * Checks the MAC of every row that has one, and opens KEKs in the units at hand: all, or a sample spread over them. Changes
 * nothing.
 */
export async function examineStore(
  ports: { readonly store: Store; readonly units: AttachedUnits; readonly alarms: Alarms },
  input: { readonly sample: number | "all" },
): Promise<StoreFindings> {
  const { store, units } = ports;
  const problems = new Problems();
  const materials = new OpenedMaterials(ports);
  const rowsVouched = await checkRows(store, await openVouchedRows({ ...ports, materials }), problems);
  let [keks, keksOpened] = [0, 0];
  for (const fence of await store.listFences({})) {
    const census = await store.census(fence);
    keks += census.reduce((sum, line) => sum + line.current, 0);
    const opener = new KekOpener(store, units, fence, problems);
    keksOpened += await (input.sample === "all" ? opener.openAll() : opener.openSample(input.sample));
  }
  return { keks, keksOpened, rowsVouched, problems: problems.named() };
}

class Problems {
  readonly #named: string[] = [];
  #more = 0;

  add(what: string): void {
    if (this.#named.length < PROBLEMS_NAMED) this.#named.push(what);
    else this.#more += 1;
  }

  named(): readonly string[] {
    return this.#more === 0 ? this.#named : [...this.#named, `and ${this.#more} more`];
  }
}

async function checkRows(store: Store, vouchedRows: VouchedRows, problems: Problems): Promise<number> {
  let checked = 0;
  const check = async (row: Promise<unknown>): Promise<void> => {
    checked += 1;
    try {
      await row;
    } catch (error) {
      if (!isFailure(error, "record-not-vouched")) throw error;
      problems.add(error.message);
    }
  };
  for await (const project of everyOf((page) => store.listProjects(page))) {
    const ofProject = { projectId: project.id, destroyed: true };
    for await (const key of everyOf((page) => store.listKeys({ ...page, ...ofProject }))) {
      await check(vouchedRows.checkKey(key));
      const versions = await store.listKeyVersions({ keyId: key.id });
      for (const version of versions) await check(vouchedRows.checkVersion(version));
      const there = new Set(versions.map(({ version }) => version));
      for (let version = 1; version <= key.currentVersion; version += 1)
        if (!there.has(version)) problems.add(`key ${key.id} has no version ${version}`);
      const token = await store.findImportToken({ keyId: key.id });
      if (token) await check(vouchedRows.checkImportToken(token));
    }
    if (!(await store.readKek({ kekId: project.kekId }))) problems.add(`project ${project.id} has no KEK`);
  }
  for await (const principal of everyOf((page) => store.listPrincipals(page))) {
    await check(vouchedRows.checkPrincipal(principal));
    for (const token of await store.listTokens({ principalId: principal.id }))
      await check(vouchedRows.checkToken(token));
  }
  for await (const { id, approval } of everyOf((page) => store.listChanges({ ...page, openOnly: false })))
    if (approval) await check(vouchedRows.checkApproval(id, approval));
  return checked;
}

async function* everyOf<Item>(read: (page: Page) => Promise<PageOf<Item>>): AsyncGenerator<Item> {
  for (let after: string | undefined; ;) {
    const page = await read({ limit: PAGE_ROWS, after });
    yield* page.items;
    if (page.next === undefined) return;
    after = page.next;
  }
}

interface HeldPattern {
  readonly vp: Vp;
  readonly at: ReachableUnit;
}

/** Opens KEKs of one group and type, each under the first pattern it has that a unit holds. */
class KekOpener {
  readonly #store: Store;
  readonly #scope: FenceRef;
  readonly #problems: Problems;
  readonly #held: readonly HeldPattern[];

  constructor(store: Store, units: AttachedUnits, fence: Fence, problems: Problems) {
    this.#store = store;
    this.#scope = { group: fence.group, type: fence.type };
    this.#problems = problems;
    const held = new Map<Vp, ReachableUnit>();
    for (const at of units.serving(fence.group)) {
      const reading = readingOf(at, fence.type);
      for (const vp of [reading?.CURRENT.vp, reading?.OLD.vp]) if (vp && !held.has(vp)) held.set(vp, at);
    }
    // The pattern of the fence first: nearly every KEK has a form under it.
    const first = (vp: Vp): number => (vp === fence.currentVp ? 0 : 1);
    this.#held = [...held].map(([vp, at]) => ({ vp, at })).toSorted((a, b) => first(a.vp) - first(b.vp));
    if (!held.has(fence.currentVp))
      problems.add(
        `no unit of group ${fence.group} at hand holds its master key ${shownVp(fence.currentVp)}`,
      );
  }

  async openAll(): Promise<number> {
    const [first, ...others] = this.#held;
    if (!first) return 0;
    let opened = 0;
    for (let after = 0; ;) {
      const scope = { ...this.#scope, limit: PAGE_ROWS };
      const page = await this.#store.readSweepRows({ ...scope, vp: first.vp, after, only: undefined });
      if (page.last === after) return opened;
      after = page.last;
      opened += await this.#verify(page.rows, first);
      opened += await this.#openUnder(others, page.lacking);
    }
  }

  async openSample(limit: number): Promise<number> {
    const sample = await this.#store.sampleRows({ ...this.#scope, limit });
    return await this.#openUnder(
      this.#held,
      sample.map(({ n }) => n),
    );
  }

  async #openUnder(held: readonly HeldPattern[], numbers: readonly number[]): Promise<number> {
    let [opened, left] = [0, numbers];
    for (const each of held) {
      if (left.length === 0) break;
      const input = { ...this.#scope, vp: each.vp, after: 0, only: left, limit: left.length };
      const page = await this.#store.readSweepRows(input);
      opened += await this.#verify(page.rows, each);
      left = page.lacking;
    }
    for (const n of left)
      this.#problems.add(`KEK row ${n} has no form under a master key of the units at hand`);
    return opened;
  }

  async #verify(rows: readonly RewrapRow[], { vp, at }: HeldPattern): Promise<number> {
    if (rows.length === 0) return 0;
    const outcomes = await at.unit.keks.verify({ ...this.#scope, rows }, vp, ["CURRENT", "OLD"]);
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome === "opened") continue;
      this.#problems.add(`KEK ${rows[i]?.kekId} does not open under ${shownVp(vp)}: ${outcome.refused}`);
    }
    return outcomes.filter((outcome) => outcome === "opened").length;
  }
}
