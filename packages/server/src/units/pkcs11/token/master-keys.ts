import { randomNonce } from "../../../core/crypto/random.ts";
import { verificationPatternLabel } from "../../../core/crypto/verification-pattern.ts";
import { Failure } from "../../../core/errors.ts";
import type { GroupName, MasterKeyType, Vp } from "../../../core/ids.ts";
import { applyCommand, readRegisters } from "../../../core/unit/registers.ts";
import type {
  Filled,
  RegisterCommand,
  RegisterName,
  RegisterReading,
  Registers,
} from "../../../core/unit/registers.ts";
import { CKA, CKM } from "./cryptoki.ts";
import { masterKeyPair } from "./key-templates.ts";
import type { Attributes, ObjectHandle } from "./module.ts";
import { template } from "./module.ts";
import type { Place } from "./register-labels.ts";
import { RegisterLabels } from "./register-labels.ts";
import type { PairsInToken, PlacedPair, TokenPair } from "./token-pairs.ts";
import { ID_BYTES, macId, readPairs, wrappingId } from "./token-pairs.ts";
import type { TokenSession } from "./token-session.ts";

/** Whose master keys, and of which type. */
export interface MasterKeyScope {
  readonly group: GroupName;
  readonly type: MasterKeyType;
  /** Whether new master keys may go to other units. */
  readonly isClonable: boolean;
}

/**
 * A pair as it is used: session copies, which are dropped when registers change. To use the token object itself costs half
 * the rate on SoftHSM, which looks at its file each time.
 */
export interface PairInUse {
  readonly wrapping: ObjectHandle;
  readonly mac: ObjectHandle;
}

const REGISTER_NAMES = ["NEW", "CURRENT", "OLD"] as const satisfies readonly RegisterName[];

/**
 * The master keys of one group in a token, and the commands that move them. Each command takes effect by one call, which
 * makes, relabels or destroys one wrapping key: whatever it is interrupted by, the registers are as before it or as after
 * it. What else it has left is removed by the next one.
 */
export class MasterKeys {
  readonly #token: TokenSession;
  readonly #scope: MasterKeyScope;
  readonly #labels: RegisterLabels;
  #held: Registers<TokenPair> | undefined;
  readonly #inUse = new Map<Vp, PairInUse>();

  constructor(token: TokenSession, scope: MasterKeyScope) {
    this.#token = token;
    this.#scope = scope;
    this.#labels = new RegisterLabels(scope);
  }

  /**
   * The registers as the token has them now.
   * @throws Failure `unit-token-damaged`.
   */
  read(): Registers<TokenPair> {
    this.forget();
    this.#held = this.#registers(readPairs(this.#token, this.#labels));
    return this.#held;
  }

  reading(): RegisterReading {
    const { module, session } = this.#token;
    const registers = this.read();
    const stays = (name: RegisterName): boolean => {
      const held = registers[name];
      return held !== undefined && !module.isSet(session, held.pair.wrapping, CKA.EXTRACTABLE);
    };
    const notClonable = REGISTER_NAMES.filter(stays);
    const numbered = REGISTER_NAMES.flatMap((name): [RegisterName, number][] => {
      const held = registers[name];
      return held ? [[name, held.pair.generation]] : [];
    });
    return {
      ...readRegisters(registers),
      ...(numbered.length > 0 && { generations: Object.fromEntries(numbered) }),
      ...(notClonable.length > 0 && { notClonable }),
    };
  }

  /** @throws Failure `register-state`, `register-pattern-mismatch`, `unit-token-damaged`; nothing has changed then. */
  execute(command: RegisterCommand): RegisterReading {
    this.tidy();
    const before = this.read();
    const next = this.#nextGeneration(before);
    const after = applyCommand(before, command, () => this.#generate(next));
    switch (command.verb) {
      case "generate":
        break;
      case "commit":
        this.#place(present(after.NEW).pair, "NEW");
        break;
      case "activate":
      case "set-immediate":
        this.#place(present(after.CURRENT).pair, "CURRENT");
        break;
      case "clear":
        this.#remove(present(before[command.register]).pair);
        break;
      case "recall-old":
        this.keep(present(before.OLD).pair, { place: "NEW-uncommitted", generation: next });
        break;
    }
    this.tidy();
    return this.reading();
  }

  /**
   * Finishes what an interrupted command has left: the label of a former CURRENT, the pair behind OLD, halves of pairs.
   * @throws Failure `unit-token-damaged`; nothing has changed then.
   */
  tidy(): void {
    const { NEW, CURRENT, OLD, outlived, halves } = readPairs(this.#token, this.#labels);
    this.forget();
    for (const mac of halves) this.#destroy(mac);
    if (CURRENT && OLD?.place === "CURRENT") this.#place(OLD, "OLD");
    if (outlived) this.#remove(outlived);
    for (const pair of [NEW, CURRENT, OLD])
      if (pair && pair.macState !== "held") this.#relabel(pair.mac, this.#labels.mac("held"));
  }

  /**
   * The master key `vp` for use, if one of the registers holds it, with which one.
   * @throws Failure `unit-token-damaged`.
   */
  use(
    vp: Vp,
    among: readonly RegisterName[],
  ): { readonly pair: PairInUse; readonly isCommitted: boolean } | undefined {
    const registers = this.#held ?? this.read();
    const name = among.find((each) => registers[each]?.vp === vp);
    const held = name && registers[name];
    if (!held) return undefined;
    const isCommitted = name !== "NEW" || registers.NEW?.committed === true;
    return { pair: this.#copyOf(vp, held.pair), isCommitted };
  }

  /** Drops session copies and what was read. */
  forget(): void {
    this.#held = undefined;
    const copies = [...this.#inUse.values()].flatMap(({ wrapping, mac }) => [wrapping, mac]);
    this.#inUse.clear();
    for (const key of copies) this.#destroy(key);
  }

  /** The session is gone, and everything in it. */
  lost(): void {
    this.#held = undefined;
    this.#inUse.clear();
  }

  /** The pattern of two keys, computed inside. */
  patternOf({ wrapping, mac }: PairInUse): Vp {
    const { module, session } = this.#token;
    const label = verificationPatternLabel(this.#scope.type);
    return module.digest(session, label, [wrapping, mac]).toString("hex") as Vp;
  }

  /** Makes a pair of token objects of two keys, the MAC key first: a pair is there with its wrapping key. */
  keep(keys: PairInUse, to: { readonly place: Place; readonly generation: number }): TokenPair {
    const { module, session } = this.#token;
    const copy = (key: ObjectHandle, attributes: Attributes) => {
      const sealing = this.#scope.isClonable ? {} : this.#sealing(key);
      return module.copyObject(session, key, template({ TOKEN: true, ...sealing, ...attributes }));
    };
    return this.#form(
      to,
      (named) => copy(keys.mac, named),
      (named) => copy(keys.wrapping, named),
    );
  }

  #form(
    { place, generation }: { readonly place: Place; readonly generation: number },
    makeMac: (named: Attributes) => ObjectHandle,
    makeWrapping: (named: Attributes) => ObjectHandle,
  ): TokenPair {
    const id = Buffer.from(randomNonce(ID_BYTES));
    const mac = makeMac({ ID: macId(id), LABEL: this.#labels.mac("forming") });
    const wrapping = makeWrapping({ ID: wrappingId(id), LABEL: this.#labels.wrapping(place, generation) });
    this.#relabel(mac, this.#labels.mac("held"));
    return { id, generation, wrapping, mac };
  }

  #nextGeneration(registers: Registers<TokenPair>): number {
    const held = [registers.NEW, registers.CURRENT, registers.OLD].map((each) => each?.pair.generation ?? 0);
    return Math.max(...held) + 1;
  }

  #generate(generation: number): Filled<TokenPair> {
    const { module, session } = this.#token;
    const { wrapping: aes, mac: hmac } = masterKeyPair(this.#scope);
    const make = (mechanism: number, attributes: Attributes) =>
      module.generateKey(session, mechanism, template(attributes));
    const pair = this.#form(
      { place: "NEW-uncommitted", generation },
      (named) => make(CKM.GENERIC_SECRET_KEY_GEN, { ...hmac, ...named }),
      (named) => make(CKM.AES_KEY_GEN, { ...aes, ...named }),
    );
    return { vp: this.patternOf(pair), pair };
  }

  #copyOf(vp: Vp, { wrapping, mac }: TokenPair): PairInUse {
    const { module, session } = this.#token;
    const found = this.#inUse.get(vp);
    if (found) return found;
    const copy = (key: ObjectHandle): ObjectHandle =>
      module.copyObject(session, key, template({ TOKEN: false, ...this.#sealing(key) }));
    const first = copy(wrapping);
    try {
      const pair = { wrapping: first, mac: copy(mac) };
      this.#inUse.set(vp, pair);
      return pair;
    } catch (error) {
      this.#destroy(first);
      throw error;
    }
  }

  /** What makes a copy of a key not extractable. SoftHSM refuses to be told so of one that is not extractable anyway. */
  #sealing(key: ObjectHandle): { readonly EXTRACTABLE?: false } {
    const { module, session } = this.#token;
    return module.isSet(session, key, CKA.EXTRACTABLE) ? { EXTRACTABLE: false } : {};
  }

  #registers({ NEW, CURRENT, OLD }: PairsInToken): Registers<TokenPair> {
    const filled = (pair: PlacedPair | undefined) => pair && { vp: this.patternOf(pair), pair };
    const fresh = filled(NEW);
    return {
      type: this.#scope.type,
      NEW: fresh && { ...fresh, committed: fresh.pair.place === "NEW" },
      CURRENT: filled(CURRENT),
      OLD: filled(OLD),
    };
  }

  #place(pair: TokenPair, place: Place): void {
    this.#relabel(pair.wrapping, this.#labels.wrapping(place, pair.generation));
  }

  /** The wrapping key goes first, and the label of the MAC key says so before. */
  #remove({ wrapping, mac }: TokenPair): void {
    this.#relabel(mac, this.#labels.mac("leaving"));
    this.#destroy(wrapping);
    this.#destroy(mac);
  }

  #relabel(key: ObjectHandle, label: string): void {
    const { module, session } = this.#token;
    module.setAttributes(session, key, template({ LABEL: label }));
  }

  #destroy(key: ObjectHandle): void {
    const { module, session } = this.#token;
    module.destroyObject(session, key);
  }
}

function present<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Failure("internal", "a register is empty that a command has filled");
  return value;
}
