import { readFileSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "./exit-status.ts";

/**
 * Where the service is and who calls. In this order:
 * - address: `--addr`, CLAVIGER_ADDR, http://127.0.0.1:8440;
 * - token: CLAVIGER_TOKEN, the file CLAVIGER_TOKEN_FILE, the file admin.token in CLAVIGER_DATA or ./claviger-data.
 * A token is never taken from the command line, which other users of the machine can read.
 */
export interface Settings {
  readonly address: string;
  readonly token: string;
}

const DEFAULT_ADDRESS = "http://127.0.0.1:8440";

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the settings; what is missing or cannot be read is a usage error in one sentence. */
export function readSettings(addr: string | undefined, env: Environment): Settings {
  return { address: addressFrom(addr, env), token: tokenFrom(env) };
}

function addressFrom(addr: string | undefined, env: Environment): string {
  const [address, source] =
    addr !== undefined ? [addr, "--addr"] : [given(env["CLAVIGER_ADDR"]) ?? DEFAULT_ADDRESS, "CLAVIGER_ADDR"];
  const url = URL.parse(address);
  if (
    url !== null &&
    (url.protocol === "http:" || url.protocol === "https:") &&
    url.search === "" &&
    url.username === ""
  )
    return address;
  throw new UsageError(
    `${source} is not an address of a service: ${address}`,
    `Give one like ${DEFAULT_ADDRESS}.`,
  );
}

function tokenFrom(env: Environment): string {
  const direct = given(env["CLAVIGER_TOKEN"]);
  if (direct !== undefined) return checked(direct, "CLAVIGER_TOKEN");
  const named = given(env["CLAVIGER_TOKEN_FILE"]);
  if (named !== undefined) return tokenIn(named, "CLAVIGER_TOKEN_FILE names it");
  const folder = given(env["CLAVIGER_DATA"]) ?? "claviger-data";
  return tokenIn(join(folder, "admin.token"), "neither CLAVIGER_TOKEN nor CLAVIGER_TOKEN_FILE is set");
}

function tokenIn(path: string, because: string): string {
  try {
    return checked(readFileSync(path, "utf8"), path);
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error)) throw error;
    const what = error.code === "ENOENT" ? "does not exist" : `cannot be read (${String(error.code)})`;
    throw new UsageError(
      `There is no token: ${path} ${what}, and ${because}.`,
      "Set CLAVIGER_TOKEN_FILE to the file of your token, or run claviger where the daemon's data folder is.",
      error,
    );
  }
}

function checked(content: string, source: string): string {
  const token = content.trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new UsageError(
    `There is no token in ${source}.`,
    "It should hold one line, as `claviger principal create` printed it.",
  );
}

/** An empty variable is one that is not set. */
function given(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
