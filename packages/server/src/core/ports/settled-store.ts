import { isFailure } from "../errors.ts";
import type { Store } from "./store.ts";
import type { ChangeAmendment } from "./change-store.ts";

/**
 * A store whose writes tell the truth about themselves when their answer is lost: `store-failed` says that the write
 * either was done or never will be (ports/store.ts), so what was written is looked for, once, by what the caller chose
 * before: an id, a MAC, an entry of a history. If it is there, the caller gets the answer that was lost; otherwise
 * `store-failed`, and nothing was done. Without this a client that repeats its request, as it is told to, would meet its
 * own project and be refused with `project-exists`.
 */
export function settledStore(store: Store): Store {
  const settled: Record<string, unknown> = { ...store };
  for (const name of Object.keys(FOUND) as SettledName[]) {
    const write = store[name] as (input: unknown) => Promise<unknown>;
    const find = FOUND[name] as Find<unknown, unknown>;
    settled[name] = async (input: unknown) => {
      try {
        return await write(input);
      } catch (error) {
        if (!isFailure(error, "store-failed")) throw error;
        const found = await find(store, input);
        if (found === undefined) throw error;
        return found;
      }
    };
  }
  return settled as unknown as Store;
}

/** What a write would have answered if it finds itself done. */
type Find<Input, Outcome> = (store: Store, input: Input) => Promise<Outcome | undefined>;

type FoundTable = {
  readonly [Name in keyof Store]?: Find<Parameters<Store[Name]>[0], Awaited<ReturnType<Store[Name]>>>;
};
type SettledName = keyof typeof FOUND;

/**
 * By what each write of a request is found. The writes of workers are not here (leases, batches of KEK rows, sweeps):
 * they take what is left by predicate, and the runner of changes reads everything anew after any failure.
 */
const FOUND = {
  createProject: async (store, { project }) => {
    const kept = await store.findProject({ ref: project.id });
    return kept?.kekId === project.kekId ? "created" : undefined;
  },
  createKey: async (store, { key }) => {
    const kept = await store.findKey({ projectId: key.projectId, ref: key.id });
    return kept && kept.id === key.id ? "created" : undefined;
  },
  updateKey: async (store, { key, version }) => {
    if (version) {
      const added = await store.readKeyVersion({ keyId: key.id, version: version.version });
      return added && isSame(added.mac, version.mac) ? "updated" : undefined;
    }
    const kept = await store.findKey({ projectId: key.projectId, ref: key.id });
    return kept?.revision === key.revision && isSame(kept.mac, key.mac) ? "updated" : undefined;
  },
  destroyKey: async (store, { key }) => {
    const kept = await store.findKey({ projectId: key.projectId, ref: key.id });
    return kept && isSame(kept.mac, key.mac) ? "destroyed" : undefined;
  },
  putImportToken: async (store, { token }) =>
    (await store.findImportToken({ keyId: token.keyId }))?.id === token.id ? "created" : undefined,
  importKeyVersion: async (store, { key, version }) => {
    const added = await store.readKeyVersion({ keyId: key.id, version: version.version });
    return added && isSame(added.mac, version.mac) ? "updated" : undefined;
  },
  createPrincipal: async (store, { principal: { id } }) =>
    (await store.findPrincipal({ ref: id })) ? "created" : undefined,
  updatePrincipal: async (store, { principal }) => {
    const kept = await store.findPrincipal({ ref: principal.id });
    return kept && isSame(kept.mac, principal.mac) ? "updated" : undefined;
  },
  createToken: async (store, { token: { id } }) => ((await store.findToken({ id })) ? "created" : undefined),
  revokeToken: async (store, { token: { id } }) =>
    (await store.findToken({ id }))?.revokedAtMs === undefined ? undefined : "revoked",
  addUnit: async (store, { unit }) => {
    const kept = (await store.listUnits({})).find(({ address }) => address === unit.address);
    return kept && isSame(kept.publicKey, unit.publicKey) ? "added" : undefined;
  },
  setUnitState: async (store, { address, state, reason, by }) => {
    const kept = (await store.listUnits({})).find((unit) => unit.address === address);
    const done = kept?.state === state && kept.reason === reason && kept.stateBy === by;
    return done ? "done" : undefined;
  },
  removeUnit: async (store, { address }) =>
    (await store.listUnits({})).some((unit) => unit.address === address) ? undefined : "removed",
  createFence: async (store, { group, type, currentVp }) =>
    (await store.readFence({ group, type }))?.currentVp === currentVp ? "created" : undefined,
  openChange: async (store, { change: { id } }) => ((await store.readChange({ id })) ? "opened" : undefined),
  transition: async (store, { change: { id }, entry }) => {
    // A change enters each state once, and its history is kept for ever.
    const history = await store.readHistory({ id });
    const entered = history.find(({ state }) => state === entry.state);
    const done = entered?.atMs === entry.atMs && entered.by === entry.by && entered.note === entry.note;
    return done ? "done" : undefined;
  },
  amendChange: async (store, { id, amendment }) => {
    const kept = await store.readChange({ id });
    const members = Object.keys(amendment) as (keyof ChangeAmendment)[];
    return kept && members.every((name) => isEqual(kept[name], amendment[name])) ? "done" : undefined;
  },
  markRollback: async (store, { mark: { id } }) =>
    (await store.readRollback({ id })) ? "marked" : undefined,
  acceptRollback: async (store, accepting) => {
    const accepted = await store.listAcceptedRollbacks(accepting);
    return accepted.length > 0 ? accepted : undefined;
  },
  addAuditKey: async (store, { key: { fingerprint } }) =>
    (await store.listAuditKeys({})).some((kept) => kept.fingerprint === fingerprint) ? "added" : undefined,
} as const satisfies FoundTable;

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Whether two members of a change are the same: an approval by its MAC, which vouches for all of it. */
function isEqual(a: ChangeAmendment[keyof ChangeAmendment], b: typeof a): boolean {
  if (typeof a === "object" && typeof b === "object") return a.mac === b.mac;
  return a === b;
}
