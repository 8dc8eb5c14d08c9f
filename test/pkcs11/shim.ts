import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { PKCS11 } from "pkcs11js";
import { SCRATCH } from "../model/scratch.ts";
import { PKCS11_HEADERS, compileC } from "./compile.ts";
import type { TestToken } from "./tokens.ts";

/**
 * A PKCS#11 module of the tests, compiled from shim/shim.c, that stands before a real one: it counts the calls of all
 * processes and makes the faults that it is told. Several processes share one, and it takes orders while they run.
 */
export interface Shim extends Disposable {
  /** Path of the PKCS#11 module. */
  readonly module: string;
  /** That of the token, and what the shim reads. */
  readonly environment: Readonly<Record<string, string>>;
  /** From now on there are these faults, and none of those that were set before. At most 16. */
  set(...faults: readonly Fault[]): void;
  /** Ends all faults; calls that hang go on. */
  clear(): void;
  /** How often it was called since the shim was made, by all processes; calls that met a fault count. */
  calls(fn: CryptokiFunction): number;
  /** How often a call met a fault since the shim was made. */
  injected(): number;
}

export type CryptokiFunction = Exclude<
  Extract<keyof PKCS11, `C_${string}`>,
  `${string}Async` | `${string}Callback`
>;

/** Which calls meet a fault. */
interface Share {
  /** Per cent of the calls, a whole number: exactly so many of each hundred, spread over them. All, if not given. */
  readonly rate?: number;
  /** So many calls that would meet it pass before. */
  readonly skip?: number;
  /** The fault ends once so many calls have met it. */
  readonly times?: number;
}

interface Calls extends Share {
  readonly fn: CryptokiFunction | "*";
  /** The token has done what was asked when the call fails, hangs or crashes; if not given, it was never asked. */
  readonly after?: true;
}

export type Fault =
  /** A return code, `CKR_…`. */
  | (Calls & { readonly rv: number })
  /** Blocks until a set of faults is in force that has no such fault for this function. */
  | (Calls & { readonly hang: true })
  /** SIGSEGV. */
  | (Calls & { readonly crash: true })
  | (Calls & { readonly delayUs: number })
  /** One bit of what C_WrapKey returns is another. */
  | (Share & { readonly flip: "C_WrapKey" })
  /** The token does not list this mechanism, `CKM_…`, and refuses it as invalid. */
  | { readonly hide: number };

// The layout of shim/control.h.
const MAGIC = 0x53_56_4c_43;
const IN_FORCE_AT = 4;
const INJECTED_AT = 8;
const CALLS_AT = 16;
const BANKS_AT = 784;
const BANK_BYTES = 776;
const FAULT_BYTES = 48;
const FAULT_LIMIT = 16;
const CONTROL_BYTES = 2336;
const EVERY_FUNCTION = 0xff_ff_ff_ff;
const KIND = { return: 1, hang: 2, crash: 3, delay: 4, flip: 5, hide: 6 } as const;

export function shimFor(token: Pick<TestToken, "module" | "environment">): Shim {
  const here = (name: string): string => fileURLToPath(new URL(`shim/${name}`, import.meta.url));
  const headers = [here("control.h"), here("functions.h")];
  const module = compileC({ source: here("shim.c"), headers, shared: true });
  const folder = mkdtempSync(join(SCRATCH, "claviger-shim-"));
  const path = join(folder, "control");
  const empty = Buffer.alloc(CONTROL_BYTES);
  empty.writeUInt32LE(MAGIC, 0);
  writeFileSync(path, empty);
  const control = openSync(path, "r+");
  const positions = functionPositions();
  const read = (at: number): number => {
    const word = Buffer.alloc(8);
    readSync(control, word, 0, 8, at);
    return Number(word.readBigUInt64LE());
  };
  const putInForce = (bank: number): void => {
    const word = Buffer.alloc(4);
    word.writeUInt32LE(bank);
    writeSync(control, word, 0, 4, IN_FORCE_AT);
  };
  let lastBank = 2;
  return {
    module,
    environment: {
      ...token.environment,
      CLAVIGER_SHIM_MODULE: token.module,
      CLAVIGER_SHIM_CONTROL: path,
    },
    set: (...faults) => {
      if (faults.length > FAULT_LIMIT) throw new Error(`a shim makes ${FAULT_LIMIT} faults at most`);
      lastBank = lastBank === 1 ? 2 : 1;
      const bank = encodeBank(faults, positions);
      writeSync(control, bank, 0, BANK_BYTES, BANKS_AT + (lastBank - 1) * BANK_BYTES);
      putInForce(lastBank);
    },
    clear: () => putInForce(0),
    calls: (fn) => read(CALLS_AT + 8 * positionOf(fn, positions)),
    injected: () => read(INJECTED_AT),
    [Symbol.dispose]: () => {
      closeSync(control);
      rmSync(folder, { recursive: true });
    },
  };
}

function encodeBank(faults: readonly Fault[], positions: readonly string[]): Buffer {
  const bank = Buffer.alloc(BANK_BYTES);
  bank.writeBigUInt64LE(BigInt(faults.length), 0);
  for (const [i, fault] of faults.entries()) {
    const { kind, value = 0 } = meaning(fault);
    const { fn = "*", rate = 100, times = 0, skip = 0, after = false } = fault as Partial<Calls>;
    if (!Number.isInteger(rate) || rate < 1 || rate > 100) throw new Error(`not a rate: ${rate} %`);
    const at = 8 + i * FAULT_BYTES;
    bank.writeUInt32LE(kind, at);
    bank.writeUInt32LE(fn === "*" ? EVERY_FUNCTION : positionOf(fn, positions), at + 4);
    bank.writeUInt32LE(rate, at + 8);
    bank.writeUInt32LE(after ? 1 : 0, at + 12);
    bank.writeBigUInt64LE(BigInt(value), at + 16);
    bank.writeBigUInt64LE(BigInt(times), at + 24);
    bank.writeBigInt64LE(BigInt(-skip), at + 40);
  }
  return bank;
}

function meaning(fault: Fault): { readonly kind: number; readonly value?: number } {
  if ("rv" in fault) return { kind: KIND.return, value: fault.rv };
  if ("hang" in fault) return { kind: KIND.hang };
  if ("crash" in fault) return { kind: KIND.crash };
  if ("delayUs" in fault) return { kind: KIND.delay, value: fault.delayUs };
  if ("flip" in fault) return { kind: KIND.flip };
  return { kind: KIND.hide, value: fault.hide };
}

/** The names of the functions in the order of the standard's list, by which shim and test number them. */
function functionPositions(): readonly string[] {
  const header = readFileSync(join(PKCS11_HEADERS, "pkcs11", "pkcs11f.h"), "utf8");
  return [...header.matchAll(/CK_PKCS11_FUNCTION_INFO\((\w+)\)/g)].map(([, name = ""]) => name);
}

function positionOf(fn: string, positions: readonly string[]): number {
  const position = positions.indexOf(fn);
  if (position < 0) throw new Error(`not a function of PKCS#11: ${fn}`);
  return position;
}
