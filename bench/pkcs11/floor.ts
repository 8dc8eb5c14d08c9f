import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { compileC } from "../../test/pkcs11/compile.ts";
import type { TestToken } from "../../test/pkcs11/tokens.ts";

export interface FloorOptions {
  /** AES-KWP by the number that it has in this token, `CKM_…`. */
  readonly wrapMechanism: number;
  /** KEKs to re-encipher. */
  readonly rows: number;
  /** Messages to encrypt, in each of the two ways. */
  readonly operations: number;
  /** CKA_PRIVATE of keys that live in the session: true, if not given. */
  readonly privateKeys?: boolean;
}

export interface FloorRate {
  readonly count: number;
  readonly seconds: number;
  readonly perSecond: number;
}

export interface Floor {
  readonly rewrap: FloorRate;
  readonly gcm: FloorRate;
  readonly derivedGcm: FloorRate;
}

type FloorToken = Omit<TestToken, keyof Disposable>;

/** Compiles floor.c, where it is told what each figure is, and runs it on a token. Its making of keys is not counted. */
export async function pkcs11Floor(
  token: FloorToken,
  { operations, ...options }: FloorOptions,
): Promise<Floor> {
  return (await run(token, options, ["-o", String(operations)])) as Floor;
}

/** As `pkcs11Floor`: what Barbican's project KEKs cost, in seconds of processor time. */
export async function barbicanFloor(
  token: FloorToken,
  options: Omit<FloorOptions, "operations">,
): Promise<FloorRate> {
  return ((await run(token, options, ["-b"])) as { readonly barbican: FloorRate }).barbican;
}

async function run(
  { module, environment, libraryParameters, label, pin }: FloorToken,
  { wrapMechanism, rows, privateKeys = true }: Omit<FloorOptions, "operations">,
  mode: readonly string[],
): Promise<unknown> {
  const program = compileC({ source: fileURLToPath(new URL("floor.c", import.meta.url)) });
  const flags = ["-n", String(rows), ...mode, ...(privateKeys ? [] : ["-p"])];
  if (libraryParameters !== undefined) flags.push("-i", libraryParameters);
  const child = spawn(program, [...flags, module, label, String(wrapMechanism)], {
    env: { ...process.env, ...environment },
  });
  const ended = once(child, "close");
  child.stdin.end(`${pin}\n`);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [status] = (await ended) as [number | null];
  if (status !== 0) throw new Error(stderr.trim());
  return JSON.parse(stdout) as unknown;
}
