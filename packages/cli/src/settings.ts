import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TlsOptions } from "@claviger/sdk";
import { UsageError } from "./exit-status.ts";
import { keptToken } from "./kept-tokens.ts";

/**
 * Where the service is and who calls. In this order:
 * - address: `--addr`, CLAVIGER_ADDR, http://127.0.0.1:8440;
 * - token: CLAVIGER_TOKEN, the file CLAVIGER_TOKEN_FILE, the file admin.token in CLAVIGER_DATA or ./claviger-data, what
 *   `claviger sign-in` got for the address; none where there is a client certificate, which may prove a principal;
 * - CA of the service: `--ca`, CLAVIGER_CA, what Node.js trusts;
 * - certificate and key of the client: `--client-cert` and `--client-key`, CLAVIGER_CLIENT_CERT and CLAVIGER_CLIENT_KEY, none.
 * A token is never taken from the command line, which other users of the machine can read.
 */
export interface Connection {
  readonly address: string;
  readonly tls?: TlsOptions;
}

export interface Settings extends Connection {
  readonly token?: string | undefined;
}

/** Options that say where the service is and how it is known; the last three are PEM files. */
export interface ConnectionOptions {
  readonly addr?: string;
  readonly ca?: string;
  readonly clientCert?: string;
  readonly clientKey?: string;
}

const DEFAULT_ADDRESS = "http://127.0.0.1:8440";

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the settings; what is missing or cannot be read is a usage error in one sentence. */
export function readSettings(options: ConnectionOptions, env: Environment): Settings {
  const connection = readConnection(options, env);
  return { ...connection, token: tokenFrom(connection, env) };
}

/** As readSettings, without who calls. */
export function readConnection(options: ConnectionOptions, env: Environment): Connection {
  const address = addressFrom(options.addr, env);
  const tls = tlsFrom(options, env);
  if (tls !== undefined && new URL(address).protocol !== "https:") {
    throw new UsageError(
      `A CA or a client certificate is given, but ${address} is plain HTTP.`,
      "Give an address that begins with https://, or leave out --ca, CLAVIGER_CA and the client's certificate.",
    );
  }
  return { address, ...(tls && { tls }) };
}

function tlsFrom(options: ConnectionOptions, env: Environment): TlsOptions | undefined {
  const ca = pemFrom(options.ca, "--ca", env, "CLAVIGER_CA");
  const cert = pemFrom(options.clientCert, "--client-cert", env, "CLAVIGER_CLIENT_CERT");
  const key = pemFrom(options.clientKey, "--client-key", env, "CLAVIGER_CLIENT_KEY");
  if ((cert === undefined) !== (key === undefined)) {
    throw new UsageError(
      `There is a client ${cert === undefined ? "key without a certificate" : "certificate without a key"}.`,
      "Give both --client-cert and --client-key, or CLAVIGER_CLIENT_CERT and CLAVIGER_CLIENT_KEY.",
    );
  }
  return ca === undefined && cert === undefined ? undefined : { ca, cert, key };
}

/** The content of the PEM file that an option names, else a variable. */
function pemFrom(
  option: string | undefined,
  flag: string,
  env: Environment,
  variable: string,
): string | undefined {
  const [path, source] = option === undefined ? [given(env[variable]), variable] : [option, flag];
  if (path === undefined) return undefined;
  const advice = "Give the path of a file in PEM form.";
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error)) throw error;
    const what = error.code === "ENOENT" ? "does not exist" : `cannot be read (${String(error.code)})`;
    throw new UsageError(`${path} ${what}, and ${source} names it.`, advice, error);
  }
  if (content.includes("-----BEGIN ENCRYPTED"))
    throw new UsageError(`${path} is encrypted, and there is nowhere to give its passphrase.`, "Decrypt it.");
  if (!content.includes("-----BEGIN ")) throw new UsageError(`${path} is not in PEM form.`, advice);
  return content;
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

function tokenFrom({ address, tls }: Connection, env: Environment): string | undefined {
  const direct = given(env["CLAVIGER_TOKEN"]);
  if (direct !== undefined) return checked(direct, "CLAVIGER_TOKEN");
  const named = given(env["CLAVIGER_TOKEN_FILE"]);
  if (named !== undefined) return tokenIn(named, "CLAVIGER_TOKEN_FILE names it");
  const path = join(given(env["CLAVIGER_DATA"]) ?? "claviger-data", "admin.token");
  if (!existsSync(path)) {
    const kept = keptToken(address, env);
    if (kept !== undefined) return kept.token;
    if (tls?.cert !== undefined) return undefined;
  }
  return tokenIn(path, "neither CLAVIGER_TOKEN nor CLAVIGER_TOKEN_FILE is set");
}

function tokenIn(path: string, because: string): string {
  try {
    return checked(readFileSync(path, "utf8"), path);
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error)) throw error;
    const what = error.code === "ENOENT" ? "does not exist" : `cannot be read (${String(error.code)})`;
    throw new UsageError(
      `There is no token: ${path} ${what}, and ${because}.`,
      "Sign in with `claviger sign-in`, set CLAVIGER_TOKEN_FILE to the file of your token, or run claviger where the daemon's data folder is.",
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
