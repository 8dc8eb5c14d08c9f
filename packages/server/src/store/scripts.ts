import type { QueryBuilder, Script } from "./script.ts";
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
import { createKey, findKey, listKeys, readKeyVersion, updateKey } from "./queries/keys.ts";
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
import { readSweepRows, readSweeps, writeSweep } from "./queries/sweeps.ts";
import { createToken, findToken, findTokenByHash, listTokens, revokeToken } from "./queries/tokens.ts";
import { addUnit, listUnits, removeUnit, setUnitState } from "./queries/units.ts";

/**
 * Every call of the store by name, so that it can be run in another thread, counted, or made to fail. `read` is short
 * and may run on the event loop; `scan` may take long; `write` is one transaction that takes the only write lock.
 */
export type ScriptKind = "read" | "scan" | "write";

interface StoreScript {
  readonly kind: ScriptKind;
  readonly script: (db: QueryBuilder, input: never) => Script<unknown>;
}

const read = <S extends StoreScript["script"]>(script: S) => ({ kind: "read" as const, script });
const scan = <S extends StoreScript["script"]>(script: S) => ({ kind: "scan" as const, script });
const write = <S extends StoreScript["script"]>(script: S) => ({ kind: "write" as const, script });

export const SCRIPTS = {
  createProject: write(createProject),
  findProject: read(findProject),
  listProjects: read(listProjects),
  readKek: read(readKek),

  createKey: write(createKey),
  findKey: read(findKey),
  listKeys: read(listKeys),
  readKeyVersion: read(readKeyVersion),
  updateKey: write(updateKey),

  createPrincipal: write(createPrincipal),
  findPrincipal: read(findPrincipal),
  findPrincipalByIdentity: read(findPrincipalByIdentity),
  findPrincipalByCertificate: read(findPrincipalByCertificate),
  listPrincipals: read(listPrincipals),
  updatePrincipal: write(updatePrincipal),
  listFormerPrincipals: read(listFormerPrincipals),
  adoptFormerPrincipal: write(adoptFormerPrincipal),

  createToken: write(createToken),
  findTokenByHash: read(findTokenByHash),
  findToken: read(findToken),
  listTokens: read(listTokens),
  revokeToken: write(revokeToken),
  readRevocations: read(readRevocations),

  addUnit: write(addUnit),
  listUnits: read(listUnits),
  setUnitState: write(setUnitState),
  removeUnit: write(removeUnit),

  createFence: write(createFence),
  readFence: read(readFence),
  listFences: read(listFences),
  openChange: write(openChange),
  readChange: read(readChange),
  listChanges: read(listChanges),
  readHistory: read(readHistory),
  transition: write(transition),
  amendChange: write(amendChange),

  claimRows: write(claimRows),
  commitRows: write(commitRows),
  dropLeases: write(dropLeases),
  finalizeRows: write(finalizeRows),
  dropNextForms: write(dropNextForms),
  dropOldForms: write(dropOldForms),

  readSweeps: read(readSweeps),
  readSweepRows: scan(readSweepRows),
  writeSweep: write(writeSweep),

  census: scan(census),
  countProgress: scan(countProgress),
  listFailedRows: scan(listFailedRows),
  sampleRows: scan(sampleRows),
  listPatterns: read(listPatterns),
} as const satisfies Record<string, StoreScript>;

export type ScriptName = keyof typeof SCRIPTS;

export function scriptNamed(name: ScriptName): StoreScript {
  return SCRIPTS[name];
}
