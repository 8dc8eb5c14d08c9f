import { randomUUID } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { UsageError } from "./exit-status.ts";

/*
 * The tokens that `claviger sign-in` got, one for each address of a service, in the file `claviger/token` in
 * XDG_CONFIG_HOME, else ~/.config. Only its owner may read it; it is replaced by rename, so that it is always whole.
 */

export interface KeptToken {
  readonly token: string;
  readonly tokenId: string;
  readonly principalId: string;
}

type Environment = Readonly<Record<string, string | undefined>>;
type Kept = Readonly<Record<string, KeptToken>>;

/** The token for the service at this address. Throws UsageError where the file cannot be trusted or understood. */
export function keptToken(address: string, env: Environment): KeptToken | undefined {
  const kept = readKept(keptTokensPath(env));
  const key = keyOf(address);
  return Object.hasOwn(kept, key) ? kept[key] : undefined;
}

/** Keeps a token in the place of the one before for this address; `undefined` forgets it. */
export function keepToken(address: string, token: KeptToken | undefined, env: Environment): void {
  const path = keptTokensPath(env);
  const { [keyOf(address)]: _before, ...others } = readKept(path);
  const kept: Kept = token === undefined ? others : { ...others, [keyOf(address)]: token };
  if (Object.keys(kept).length === 0) rmSync(path, { force: true });
  else replaceFile(path, `${JSON.stringify(kept, null, 2)}\n`);
}

/** Where they are kept. XDG Base Directory Specification: an empty or relative XDG_CONFIG_HOME is as good as none. */
export function keptTokensPath(env: Environment): string {
  const named = env["XDG_CONFIG_HOME"] ?? "";
  return join(named.startsWith("/") ? named : join(homedir(), ".config"), "claviger", "token");
}

function keyOf(address: string): string {
  return new URL(address).href.replace(/\/$/, "");
}

function readKept(path: string): Kept {
  let content: string;
  try {
    if (process.platform !== "win32" && (statSync(path).mode & 0o077) !== 0)
      throw new UsageError(`Others than its owner may read ${path}.`, `Run \`chmod 600 ${path}\`.`);
    content = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return {};
    throw error;
  }
  const kept = parsed(content);
  if (isKept(kept)) return kept;
  throw new UsageError(`${path} is not a file of \`claviger sign-in\`.`, "Remove it, and sign in again.");
}

function parsed(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isKept(value: unknown): value is Kept {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every(
    (one: unknown) =>
      typeof one === "object" &&
      one !== null &&
      ["token", "tokenId", "principalId"].every(
        (name) => typeof (one as Record<string, unknown>)[name] === "string",
      ),
  );
}

function replaceFile(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}`;
  const file = openSync(temporary, "wx", 0o600);
  try {
    writeSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}
