import { Failure } from "../errors.ts";
import type { MasterKeyType, Vp } from "../ids.ts";
import { namesVp, shownVp } from "../ids.ts";

/**
 * The three registers in which a crypto unit keeps the master keys of one type, and the rules by which commands
 * move them. Pure: `Pair` is whatever a unit keeps for a register pair (wrapping key, MAC key), or nothing at all.
 *
 * States and rules follow TKE for EP11 and CCA: NEW is filled, committed under its verification pattern, and
 * activated; activation moves NEW to CURRENT and CURRENT to OLD. A NEW that equals CURRENT or OLD is refused
 * (as CCA does), with one exception: `recall-old`.
 */
export type RegisterName = "NEW" | "CURRENT" | "OLD";

export type NewState = "empty" | "full uncommitted" | "full committed";
export type HeldState = "empty" | "valid";

export interface Filled<Pair> {
  readonly vp: Vp;
  readonly pair: Pair;
}

/** The registers of one master key type. A register that is `undefined` is empty. */
export interface Registers<Pair> {
  readonly type: MasterKeyType;
  readonly NEW: (Filled<Pair> & { readonly committed: boolean }) | undefined;
  readonly CURRENT: Filled<Pair> | undefined;
  readonly OLD: Filled<Pair> | undefined;
}

/** What may be told about registers: states and verification patterns. */
export interface RegisterReading {
  readonly type: MasterKeyType;
  readonly NEW: { readonly state: NewState; readonly vp: Vp | undefined };
  readonly CURRENT: { readonly state: HeldState; readonly vp: Vp | undefined };
  readonly OLD: { readonly state: HeldState; readonly vp: Vp | undefined };
  /**
   * Where a unit counts its master keys: the number of each that it holds. One that becomes CURRENT has a higher one than
   * all that were CURRENT before it.
   */
  readonly generations?: Readonly<Partial<Record<RegisterName, number>>>;
  /** Those whose master key was made so that it never leaves its unit; without it, none. */
  readonly notClonable?: readonly RegisterName[];
}

/** Whether any register of a unit holds a master key. */
export function holdMasterKey(readings: readonly RegisterReading[]): boolean {
  return readings.some(({ NEW, CURRENT, OLD }) => [NEW, CURRENT, OLD].some(({ vp }) => vp !== undefined));
}

/**
 * A register command. Each that could lose or enable a master key names the pattern that its officer expects:
 * the full 32 bytes, or at least the first 16, in hex.
 */
export type RegisterCommand = { readonly type: MasterKeyType } & (
  | { readonly verb: "generate" }
  | { readonly verb: "commit"; readonly vp: string }
  | { readonly verb: "activate"; readonly vp: string }
  | { readonly verb: "set-immediate"; readonly vp: string }
  | { readonly verb: "clear"; readonly register: "NEW" | "OLD"; readonly vp: string }
  | { readonly verb: "recall-old"; readonly vp: string }
);

export function emptyRegisters<Pair>(type: MasterKeyType): Registers<Pair> {
  return { type, NEW: undefined, CURRENT: undefined, OLD: undefined };
}

export function readRegisters(registers: Registers<unknown>): RegisterReading {
  const held = (r: Filled<unknown> | undefined) => ({
    state: r ? ("valid" as const) : ("empty" as const),
    vp: r?.vp,
  });
  const fresh = registers.NEW;
  return {
    type: registers.type,
    NEW: {
      state: !fresh ? "empty" : fresh.committed ? "full committed" : "full uncommitted",
      vp: fresh?.vp,
    },
    CURRENT: held(registers.CURRENT),
    OLD: held(registers.OLD),
  };
}

/**
 * The registers after `command`. `generate` supplies a fresh pair for the verb of that name, and is called for no other and
 * only when nothing is in the way.
 * @throws Failure `register-state` when a register is not in the state that the command needs,
 * `register-pattern-mismatch` when it holds another pattern than the command names. Nothing has changed then.
 */
export function applyCommand<Pair>(
  registers: Registers<Pair>,
  command: RegisterCommand,
  generate: () => Filled<Pair>,
): Registers<Pair> {
  switch (command.verb) {
    case "generate":
      return fillNew(registers, generate);
    case "commit": {
      const fresh = expect(registers, "NEW", command.vp);
      return { ...registers, NEW: { ...fresh, committed: true } };
    }
    case "activate": {
      const fresh = committedNew(registers, command.vp);
      if (!registers.CURRENT)
        throw new Failure("register-state", "CURRENT is empty: use set-immediate for a first master key");
      return { ...registers, NEW: undefined, CURRENT: fresh, OLD: registers.CURRENT };
    }
    case "set-immediate": {
      const fresh = committedNew(registers, command.vp);
      if (registers.CURRENT)
        throw new Failure("register-state", "CURRENT is valid: a master-key change must activate NEW");
      return { ...registers, NEW: undefined, CURRENT: fresh };
    }
    case "clear":
      expect(registers, command.register, command.vp);
      return { ...registers, [command.register]: undefined };
    case "recall-old": {
      if (registers.NEW) throw new Failure("register-state", "NEW is not empty");
      const old = expect(registers, "OLD", command.vp);
      if (registers.CURRENT?.vp === old.vp)
        throw new Failure("register-state", "CURRENT holds that master key");
      return { ...registers, NEW: { ...old, committed: false } };
    }
  }
}

/** NEW filled with what `bring` brings, uncommitted. Refused while NEW is full, or when CURRENT or OLD holds the same pattern. */
function fillNew<Pair>(registers: Registers<Pair>, bring: () => Filled<Pair>): Registers<Pair> {
  if (registers.NEW) throw new Failure("register-state", "NEW is not empty: clear it first");
  const fresh = bring();
  if (registers.CURRENT?.vp === fresh.vp || registers.OLD?.vp === fresh.vp) {
    throw new Failure("register-state", "the master key is in CURRENT or OLD already");
  }
  return { ...registers, NEW: { ...fresh, committed: false } };
}

/**
 * The registers after a master key came from another unit into an empty register; NEW arrives uncommitted. A register
 * that holds that very master key stays as it is, so that a copy may be repeated.
 */
export function importInto<Pair>(
  registers: Registers<Pair>,
  register: RegisterName,
  fresh: Filled<Pair>,
): Registers<Pair> {
  if (registers[register]) {
    if (registers[register].vp === fresh.vp) return registers;
    throw new Failure("register-state", `${register} is not empty and holds another master key`);
  }
  if (register === "NEW") return fillNew(registers, () => fresh);
  if ([registers.NEW, registers.CURRENT, registers.OLD].some((held) => held?.vp === fresh.vp)) {
    throw new Failure("register-state", "another register holds the master key already");
  }
  return { ...registers, [register]: { vp: fresh.vp, pair: fresh.pair } };
}

/** The pair whose pattern is `vp`, wherever it is held; CURRENT before OLD before NEW. */
export function findByVp<Pair>(
  registers: Registers<Pair>,
  vp: Vp,
  among: readonly RegisterName[],
): Pair | undefined {
  for (const name of among) {
    const held = registers[name];
    if (held?.vp === vp) return held.pair;
  }
  return undefined;
}

function committedNew<Pair>(registers: Registers<Pair>, vp: string): Filled<Pair> {
  const fresh = expect(registers, "NEW", vp);
  if (!registers.NEW?.committed) throw new Failure("register-state", "NEW is not committed");
  return { vp: fresh.vp, pair: fresh.pair };
}

function expect<Pair>(registers: Registers<Pair>, name: RegisterName, vp: string): Filled<Pair> {
  const held = registers[name];
  if (!held) throw new Failure("register-state", `${name} is empty`);
  if (!namesVp(vp, held.vp)) {
    throw new Failure(
      "register-pattern-mismatch",
      `${name} holds ${shownVp(held.vp)}, not the pattern that was given`,
    );
  }
  return held;
}
