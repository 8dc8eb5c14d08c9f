import type { PrincipalRecord } from "../access/principal.ts";
import type { Clock } from "../clock.ts";
import type { Store } from "../ports/store.ts";
import type { Touched } from "./audit-draft.ts";
import { author, whoActs } from "./acting.ts";

/** Mutations whose record is written in their own transaction, if they take effect. */
export type RecordedMutation =
  | "createProject"
  | "createKey"
  | "updateKey"
  | "destroyKey"
  | "putImportToken"
  | "importKeyVersion"
  | "createPrincipal"
  | "updatePrincipal"
  | "adoptFormerPrincipal"
  | "createToken"
  | "revokeToken"
  | "addUnit"
  | "setUnitState"
  | "removeUnit"
  | "createFence"
  | "openChange"
  | "transition"
  | "amendChange"
  | "addAuditKey";

/** Outcomes by which the store says that a mutation took effect. */
export const EFFECTS: ReadonlySet<unknown> = new Set([
  "created",
  "updated",
  "added",
  "done",
  "removed",
  "opened",
  "destroyed",
  "revoked",
  "adopted",
]);

/** How the service names a mutation when it acts by itself, and what it touches. */
interface Recording<Input> {
  readonly event: string | ((input: Input) => string);
  readonly touched: (input: Input) => Touched;
}

const RECORDINGS: { readonly [M in RecordedMutation]: Recording<Parameters<Store[M]>[0]> } = {
  createProject: { event: "project.created", touched: ({ project }) => ({ project: project.id }) },
  createKey: {
    event: "key.created",
    touched: ({ key, version }) => ({ project: key.projectId, key: key.id, version: version?.version }),
  },
  updateKey: {
    event: "key.updated",
    touched: ({ key }) => ({
      project: key.projectId,
      key: key.id,
      version: key.currentVersion,
      note: key.state,
    }),
  },
  destroyKey: {
    event: "key.destroyed",
    touched: ({ key }) => ({ project: key.projectId, key: key.id, note: key.state }),
  },
  putImportToken: {
    event: "key.import-token-created",
    touched: ({ token }) => ({ project: token.projectId, key: token.keyId, subject: token.id }),
  },
  importKeyVersion: {
    event: "key.imported",
    touched: ({ key, version, tokenId }) => ({
      project: key.projectId,
      key: key.id,
      version: version.version,
      subject: tokenId,
    }),
  },
  createPrincipal: {
    event: "principal.created",
    touched: ({ principal }) => ({ subject: principal.id, note: shownPrincipal(principal) }),
  },
  updatePrincipal: {
    event: "principal.updated",
    touched: ({ principal }) => ({ subject: principal.id, note: shownPrincipal(principal) }),
  },
  adoptFormerPrincipal: {
    event: "principal.adopted",
    touched: ({ principal }) => ({ subject: principal.id, note: shownPrincipal(principal) }),
  },
  createToken: {
    event: "token.created",
    touched: ({ token }) => ({ subject: token.principalId, note: `token ${token.id}` }),
  },
  revokeToken: {
    event: "token.revoked",
    touched: ({ token }) => ({ subject: token.principalId, note: `token ${token.id}` }),
  },
  addUnit: { event: "unit.added", touched: ({ unit }) => ({ unit: unit.address, note: unit.state }) },
  setUnitState: {
    event: ({ state }) => `unit.${state}`,
    touched: ({ address, state, reason }) => ({
      unit: address,
      note: reason === undefined ? state : `${state}: ${reason}`,
    }),
  },
  removeUnit: { event: "unit.removed", touched: ({ address }) => ({ unit: address }) },
  createFence: { event: "fence.created", touched: ({ currentVp }) => ({ vp: currentVp }) },
  openChange: {
    event: "change.opened",
    touched: ({ change }) => ({ change: change.id, vp: change.from, note: change.state }),
  },
  transition: {
    event: "change.transition",
    touched: ({ change, advance }) => ({
      change: change.id,
      ...(advance.to !== undefined && { vp: advance.to }),
      note: `${change.state} → ${advance.state}`,
    }),
  },
  amendChange: {
    event: "change.amended",
    touched: ({ id, amendment }) => ({ change: id, note: Object.keys(amendment).join(", ") }),
  },
  addAuditKey: {
    event: "audit.key-added",
    touched: ({ key, introduction }) => ({ subject: key.fingerprint, newKey: introduction }),
  },
};

/** Name, state and roles, as they are after the mutation. */
function shownPrincipal({ name, state, grants }: PrincipalRecord): string {
  const roles = grants.map(({ role, projectId }) =>
    projectId === undefined ? role : `${role}:${projectId}`,
  );
  return `${name}: ${state}, ${roles.join(", ")}`;
}

/**
 * A store whose mutations write their record in the transaction of the mutation, into the outbox of the audit log.
 * `onRecorded` is called after each that may have written one: it may have been done though its answer was lost.
 */
export function recordedStore(
  store: Store,
  ports: { clock: Clock; onRecorded: (mutation: RecordedMutation) => void },
): Store {
  const recorded: Record<string, unknown> = { ...store };
  for (const name of Object.keys(RECORDINGS) as RecordedMutation[]) {
    const mutate = store[name] as (input: unknown) => Promise<unknown>;
    const { event, touched } = RECORDINGS[name] as Recording<unknown>;
    recorded[name] = async (input: object) => {
      const who = whoActs();
      const draft = {
        ...author(typeof event === "string" ? event : event(input)),
        ...touched(input),
        atMs: ports.clock.nowMs(),
        outcome: "allowed" as const,
      };
      try {
        const outcome = await mutate({ ...input, audit: draft });
        if (who && EFFECTS.has(outcome)) who.recorded += 1;
        return outcome;
      } finally {
        ports.onRecorded(name);
      }
    };
  }
  return recorded as unknown as Store;
}
