import type { Interposed } from "../../packages/server/src/compose.ts";
import type { ChangeState } from "../../packages/server/src/core/master-key-change/change.ts";
import {
  OPEN_STATES,
  advance,
  mayAdvance,
} from "../../packages/server/src/core/master-key-change/transitions.ts";
import type { ChangeEvent } from "../../packages/server/src/core/master-key-change/transitions.ts";
import type { Store, UnitState } from "../../packages/server/src/core/ports/store.ts";
import type { ChangeAmendment } from "../../packages/server/src/core/ports/change-store.ts";
import type {
  AnchorFace,
  CryptoUnit,
  KekFace,
  MaterialFace,
  RegisterFace,
  SigningFace,
} from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { RegisterCommand, RegisterName } from "../../packages/server/src/core/unit/registers.ts";
import type { SCRIPTS, ScriptName } from "../../packages/server/src/store/scripts.ts";

/*
 * Every call by which the domain changes something: each write of the store, and each call of a crypto unit that changes
 * its registers or wraps or proves a key. The names below are made from the ports, and a name says what kind of call it
 * is: `store.transition(READY → ACTIVATING)`, `unit.execute(activate)`, `store.commitRows(and claim)`. What a port gains
 * does not compile here until it has its names.
 */

type WriteName = {
  [N in ScriptName]: (typeof SCRIPTS)[N]["kind"] extends "write" ? N : never;
}[ScriptName];

/** The kinds of one call: what they are called, and which of them an input is. */
interface Kinds<Input> {
  readonly all: readonly string[];
  readonly of: (input: Input) => string;
}

type StoreInput<N extends WriteName> = Parameters<Store[N]>[0];

/** A call that is always of the same kind. */
const ONE: Kinds<unknown> = { all: [""], of: () => "" };

const kinds = <Kind extends string, Input>(
  all: Readonly<Record<Kind, true>>,
  of: (input: Input) => Kind,
): Kinds<Input> => ({ all: Object.keys(all), of });

const STORE_KINDS: { readonly [N in WriteName]: Kinds<StoreInput<N>> } = {
  createProject: kinds({ "one form": true, "two forms": true }, ({ kek }) =>
    kek.wrapped.length === 1 ? "one form" : "two forms",
  ),
  createKey: ONE,
  updateKey: kinds({ rotate: true, "schedule-deletion": true, state: true }, ({ key, version }) => {
    if (version) return "rotate";
    return key.state === "pending-deletion" ? "schedule-deletion" : "state";
  }),
  destroyKey: ONE,
  putImportToken: ONE,
  importKeyVersion: ONE,
  dropExpiredImportTokens: ONE,
  createPrincipal: ONE,
  updatePrincipal: kinds({ enabled: true, disabled: true }, ({ principal }) => principal.state),
  adoptFormerPrincipal: ONE,
  createToken: ONE,
  revokeToken: ONE,
  dropEndedTokens: ONE,
  acceptRollback: ONE,
  markRollback: ONE,
  addUnit: kinds<UnitState, StoreInput<"addUnit">>(
    { joining: true, serving: true, quarantined: true, leaving: true },
    ({ unit }) => unit.state,
  ),
  setUnitState: kinds<UnitState, StoreInput<"setUnitState">>(
    { joining: true, serving: true, quarantined: true, leaving: true },
    ({ state }) => state,
  ),
  removeUnit: ONE,
  noteGeneration: ONE,
  createFence: ONE,
  openChange: kinds({ forward: true, restore: true }, ({ change }) =>
    change.restores === undefined ? "forward" : "restore",
  ),
  transition: {
    all: transitions(),
    of: ({ change, advance: { state }, entry }) => wayName(change.state, state, entry.by),
  },
  amendChange: kinds<keyof ChangeAmendment, StoreInput<"amendChange">>(
    { paused: true, blockedReason: true, approval: true, canary: true },
    ({ amendment }) => Object.keys(amendment)[0] as keyof ChangeAmendment,
  ),
  claimRows: kinds({ untried: true, failed: true }, ({ which }) => which.rows),
  commitRows: kinds({ "and claim": true, only: true }, ({ next }) => (next ? "and claim" : "only")),
  dropLeases: ONE,
  finalizeRows: ONE,
  dropNextForms: ONE,
  dropOldForms: ONE,
  addAuditKey: ONE,
  dropOutbox: ONE,
  writeSweep: kinds({ "to go on": true, complete: true }, ({ sweep }) =>
    sweep.complete ? "complete" : "to go on",
  ),
};

/** Whether a call of a unit's face changes, wraps or proves something; the others are no points. */
type FaceTable<Face> = {
  readonly [M in keyof Face]-?: Face[M] extends (...input: infer Input) => unknown
    ? "no point" | Kinds<Input>
    : never;
};

const REGISTERS: Readonly<Record<RegisterName, true>> = { NEW: true, CURRENT: true, OLD: true };
type Verb = Exclude<RegisterCommand["verb"], "clear"> | "clear NEW" | "clear OLD";

const UNIT_KINDS: {
  readonly registers: FaceTable<RegisterFace>;
  readonly keks: FaceTable<KekFace>;
  readonly materials: FaceTable<MaterialFace>;
  readonly signing: FaceTable<SigningFace>;
  readonly anchors: FaceTable<AnchorFace>;
} = {
  registers: {
    read: "no point",
    execute: kinds<Verb, Parameters<RegisterFace["execute"]>>(
      {
        generate: true,
        commit: true,
        activate: true,
        "set-immediate": true,
        "clear NEW": true,
        "clear OLD": true,
        "recall-old": true,
      },
      ([command]) => (command.verb === "clear" ? `clear ${command.register}` : command.verb),
    ),
    pinPeer: ONE,
    exportFor: kinds(REGISTERS, ([, { register }]) => register),
    importFrom: kinds(REGISTERS, ([, { register }]) => register),
  },
  keks: {
    create: kinds({ "one form": true, "two forms": true }, ([, vps]) =>
      vps.length === 1 ? "one form" : "two forms",
    ),
    open: "no point",
    reencipher: ONE,
    verify: kinds({ sweep: true, reuse: true, plan: true }, ([, , among]) =>
      among.includes("OLD") ? "plan" : among.includes("NEW") ? "reuse" : "sweep",
    ),
  },
  materials: {
    generate: ONE,
    createImportKey: ONE,
    importMaterial: ONE,
    open: "no point",
    encrypt: "no point",
    decrypt: "no point",
    mac: "no point",
    random: "no point",
  },
  signing: {
    generateKeyPair: ONE,
    open: "no point",
    sign: "no point",
  },
  anchors: {
    read: "no point",
    keep: ONE,
  },
};

/** Calls that the types allow and that Claviger never makes, each with the reason. They must not be made either. */
export const NEVER_CALLED: Readonly<Record<string, string>> = {
  "store.addUnit(quarantined)": "a unit begins as joining, the first one as serving",
  "store.addUnit(leaving)": "the same",
  "store.setUnitState(joining)": "a unit joins once, when it is added",
  "unit.exportFor(OLD)": "OLD comes from activation; `master-key copy --register OLD` is for a rebuilt unit",
  "unit.importFrom(OLD)": "the other side of it",
};

/** Writes at which another test kills the daemon, because no client can work beside them. */
export const KILLED_ELSEWHERE: Readonly<Record<string, string>> = {
  "store.acceptRollback": "test/crash/restore.test.ts: nothing else is written before it",
  "store.noteGeneration": "test/e2e/older-database.test.ts: units in software count no master keys",
  "store.markRollback": "test/crash/anchors.test.ts: the database is an older one",
};

/** Methods whose names say too little without their face. */
const LABELS: Readonly<Record<string, string>> = { create: "createKek", keep: "keepAnchors" };

const named = (call: string, kind: string): string => (kind === "" ? call : `${call}(${kind})`);

/** Names of all calls that are points. */
export const CALLS: readonly string[] = [
  ...Object.entries(STORE_KINDS).flatMap(([name, { all }]) =>
    all.map((kind) => named(`store.${name}`, kind)),
  ),
  ...Object.values(UNIT_KINDS).flatMap((face) =>
    Object.entries(face).flatMap(([name, row]: [string, "no point" | Kinds<never>]) =>
      row === "no point" ? [] : row.all.map((kind) => named(`unit.${LABELS[name] ?? name}`, kind)),
    ),
  ),
].filter((call) => !(call in NEVER_CALLED) && !(call in KILLED_ELSEWHERE));

/** Ways of the table in transitions.ts, each from state to state. */
function transitions(): readonly string[] {
  const dummy = { id: "", openedBy: "", to: "to", from: "from", freeze: "none" };
  const fence = { mustWrap: [], currentVp: "from" };
  const events: Readonly<Record<ChangeEvent["name"], true>> = {
    staged: true,
    reencipher: true,
    ready: true,
    activate: true,
    adopted: true,
    activated: true,
    finalize: true,
    finalized: true,
    purged: true,
    cancel: true,
    canceled: true,
  };
  const states: readonly ChangeState[] = [...OPEN_STATES, "DONE", "PURGED", "CANCELED"];
  return states.flatMap((state) =>
    (Object.keys(events) as ChangeEvent["name"][])
      .filter((name) => mayAdvance(state, name))
      .map((name) => {
        const event = (name === "staged" ? { name, to: "to" } : { name }) as ChangeEvent;
        const next = advance({ ...dummy, state } as never, fence as never, event).state;
        return wayName(state, next, name === "activate" ? "a person" : "claviger");
      }),
  );
}

/** Two ways lead from READY to ACTIVATING; the other is a unit that was activated elsewhere. */
function wayName(from: ChangeState, to: ChangeState, by: string): string {
  return from === "READY" && to === "ACTIVATING" && by === "claviger"
    ? "READY → ACTIVATING, adopted"
    : `${from} → ${to}`;
}

/** Runs a call, or does not, or does not come back. */
export type Around = <Result>(call: string, run: () => Promise<Result>) => Promise<Result>;

/** Puts `around` about every call that is a point. */
export function interpose(around: Around): Required<Pick<Interposed, "store" | "unit">> {
  return {
    store: (store) => {
      const wrapped: Record<string, unknown> = { ...store };
      for (const name of Object.keys(STORE_KINDS) as WriteName[]) {
        const write = store[name] as (input: unknown) => Promise<unknown>;
        const { of } = STORE_KINDS[name] as Kinds<unknown>;
        wrapped[name] = (input: unknown) => around(named(`store.${name}`, of(input)), () => write(input));
      }
      return wrapped as unknown as Store;
    },
    unit: (unit) => ({
      description: unit.description,
      close: () => unit.close(),
      registers: wrapFace(unit.registers, UNIT_KINDS.registers, around),
      keks: wrapFace(unit.keks, UNIT_KINDS.keks, around),
      materials: wrapFace(unit.materials, UNIT_KINDS.materials, around),
      signing: wrapFace(unit.signing, UNIT_KINDS.signing, around),
      anchors: wrapFace(unit.anchors, UNIT_KINDS.anchors, around),
    }),
  };
}

function wrapFace<Face extends CryptoUnit["registers" | "keks" | "materials" | "signing" | "anchors"]>(
  face: Face,
  table: FaceTable<Face>,
  around: Around,
): Face {
  const methods = face as unknown as Record<string, (...input: unknown[]) => Promise<unknown>>;
  const wrapped: Record<string, unknown> = {};
  for (const [name, row] of Object.entries(table) as [string, "no point" | Kinds<unknown>][]) {
    const run = (input: unknown[]): Promise<unknown> =>
      methods[name]?.call(face, ...input) ?? Promise.reject(new Error(`a unit has no ${name}`));
    const label = `unit.${LABELS[name] ?? name}`;
    wrapped[name] =
      row === "no point"
        ? (...input: unknown[]) => run(input)
        : (...input: unknown[]) => around(named(label, row.of(input)), () => run(input));
  }
  return wrapped as unknown as Face;
}
