import type { Store } from "../core/ports/store.ts";
import type { QueryBuilder, Script } from "./script.ts";
import { addAuditKey, dropOutbox, listAuditKeys, listOutbox, recorded } from "./queries/audit.ts";
import {
  amendChange,
  listChanges,
  openChange,
  readChange,
  readHistory,
  transition,
} from "./queries/changes.ts";
import { census, countProgress, listFailedRows, sampleRows } from "./queries/census.ts";
import { createFence, listFences, readFence } from "./queries/fences.ts";
import { destroyKey, listKeysDue } from "./queries/key-destruction.ts";
import {
  dropExpiredImportTokens,
  findImportToken,
  importKeyVersion,
  putImportToken,
} from "./queries/key-imports.ts";
import { createKey, findKey, listKeys, listKeyVersions, readKeyVersion, updateKey } from "./queries/keys.ts";
import { listPatterns } from "./queries/patterns.ts";
import {
  adoptFormerPrincipal,
  createPrincipal,
  findPrincipal,
  findPrincipalByCertificate,
  findPrincipalByIdentity,
  listFormerPrincipals,
  listPrincipals,
  updatePrincipal,
} from "./queries/principals.ts";
import { readRevocations } from "./queries/revocations.ts";
import { createProject, findProject, listProjects, readKek } from "./queries/projects.ts";
import {
  claimRows,
  commitRows,
  dropLeases,
  dropNextForms,
  dropOldForms,
  finalizeRows,
} from "./queries/rewrap.ts";
import {
  acceptRollback,
  listAcceptedRollbacks,
  markRollback,
  readRollback,
  refuseWhileRolledBack,
} from "./queries/rollbacks.ts";
import { readMoment } from "./queries/moments.ts";
import { openingOfSnapshot, readTableRows } from "./queries/snapshots.ts";
import { readSweepRows, readSweeps, writeSweep } from "./queries/sweeps.ts";
import {
  createToken,
  dropEndedTokens,
  findToken,
  findTokenByHash,
  listEndedTokens,
  listTokens,
  revokeToken,
} from "./queries/tokens.ts";
import {
  addUnit,
  listGenerations,
  listUnits,
  noteGeneration,
  removeUnit,
  setUnitState,
} from "./queries/units.ts";

/**
 * Every call of the store by name, so that it can be run in another thread, counted, or made to fail. `read` is short
 * and may run on the event loop; `scan` may take long, each on one snapshot;
 * `walk` is a scan that waits for what is under way; `write` is one transaction that writes.
 */
export type ScriptKind = "read" | "scan" | "walk" | "write";

interface StoreScript {
  readonly kind: ScriptKind;
  readonly script: (db: QueryBuilder, input: never) => Script<unknown>;
}

const read = <S extends StoreScript["script"]>(script: S) => ({ kind: "read" as const, script });
const scan = <S extends StoreScript["script"]>(script: S) => ({ kind: "scan" as const, script });
const walk = <S extends StoreScript["script"]>(script: S) => ({ kind: "walk" as const, script });
/** Also while the database is marked as rolled back, which every other write is not. */
const writeAlways = <S extends StoreScript["script"]>(script: S) => ({ kind: "write" as const, script });
const write = <S extends StoreScript["script"]>(script: S) =>
  writeAlways(
    // The same call with one more condition: its types are those of the script.
    function* (db, input) {
      yield* refuseWhileRolledBack(db);
      return yield* script(db, input);
    } as StoreScript["script"] as S,
  );

export const SCRIPTS = {
  createProject: write(recorded(createProject)),
  findProject: read(findProject),
  listProjects: read(listProjects),
  readKek: read(readKek),

  createKey: write(recorded(createKey)),
  findKey: read(findKey),
  listKeys: read(listKeys),
  readKeyVersion: read(readKeyVersion),
  listKeyVersions: read(listKeyVersions),
  updateKey: write(recorded(updateKey)),
  listKeysDue: read(listKeysDue),
  destroyKey: write(recorded(destroyKey)),

  putImportToken: write(recorded(putImportToken)),
  findImportToken: read(findImportToken),
  importKeyVersion: write(recorded(importKeyVersion)),
  dropExpiredImportTokens: write(dropExpiredImportTokens),

  createPrincipal: write(recorded(createPrincipal)),
  findPrincipal: read(findPrincipal),
  findPrincipalByIdentity: read(findPrincipalByIdentity),
  findPrincipalByCertificate: read(findPrincipalByCertificate),
  listPrincipals: read(listPrincipals),
  updatePrincipal: write(recorded(updatePrincipal)),
  listFormerPrincipals: read(listFormerPrincipals),
  adoptFormerPrincipal: write(recorded(adoptFormerPrincipal)),

  createToken: write(recorded(createToken)),
  findTokenByHash: read(findTokenByHash),
  findToken: read(findToken),
  listTokens: read(listTokens),
  revokeToken: write(recorded(revokeToken)),
  listEndedTokens: scan(listEndedTokens),
  dropEndedTokens: write(dropEndedTokens),
  readRevocations: read(readRevocations),

  addUnit: write(recorded(addUnit)),
  listUnits: read(listUnits),
  setUnitState: write(recorded(setUnitState)),
  removeUnit: write(recorded(removeUnit)),
  // Before a rollback is accepted.
  noteGeneration: writeAlways(noteGeneration),
  listGenerations: read(listGenerations),

  createFence: write(recorded(createFence)),
  readFence: read(readFence),
  listFences: read(listFences),
  openChange: write(recorded(openChange)),
  readChange: read(readChange),
  listChanges: read(listChanges),
  readHistory: read(readHistory),
  transition: write(recorded(transition)),
  amendChange: write(recorded(amendChange)),

  claimRows: write(claimRows),
  commitRows: write(commitRows),
  dropLeases: write(dropLeases),
  finalizeRows: write(finalizeRows),
  dropNextForms: write(dropNextForms),
  dropOldForms: write(dropOldForms),

  readSweeps: read(readSweeps),
  readSweepRows: walk(readSweepRows),
  writeSweep: write(writeSweep),

  census: scan(census),
  countProgress: scan(countProgress),
  listFailedRows: scan(listFailedRows),
  sampleRows: scan(sampleRows),
  listPatterns: read(listPatterns),

  listOutbox: read(listOutbox),
  // What is recorded of a database that is marked is recorded all the same.
  dropOutbox: writeAlways(dropOutbox),
  listAuditKeys: read(listAuditKeys),
  addAuditKey: writeAlways(recorded(addAuditKey)),

  readRollback: read(readRollback),
  readMoment: read(readMoment),
  markRollback: writeAlways(markRollback),
  acceptRollback: writeAlways(acceptRollback),
  listAcceptedRollbacks: read(listAcceptedRollbacks),
  openingOfSnapshot: scan(openingOfSnapshot),
  readTableRows: scan(readTableRows),
} as const satisfies Record<string, StoreScript>;

export type ScriptName = keyof typeof SCRIPTS;

export function scriptNamed(name: ScriptName): StoreScript {
  return SCRIPTS[name];
}

/** The store whose calls are the scripts, run by `run`. */
export function storeOfScripts(
  run: (name: ScriptName, input: unknown) => Promise<unknown>,
  close: () => Promise<void>,
): Store {
  const store: Record<string, unknown> = { close };
  for (const name of Object.keys(SCRIPTS) as ScriptName[]) store[name] = (input: unknown) => run(name, input);
  return store as unknown as StoreCalls;
}

/** What the scripts make of the port. `storeOfScripts` does not compile where they differ. */
type StoreCalls = { readonly [N in ScriptName]: CallOf<(typeof SCRIPTS)[N]["script"]> } & Pick<
  Store,
  "close"
>;
type CallOf<S> = S extends (db: never, input: infer Input) => Generator<unknown, infer Result, unknown>
  ? (input: Input) => Promise<Result>
  : never;
