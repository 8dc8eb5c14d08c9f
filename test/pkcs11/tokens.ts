import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SCRATCH } from "../model/scratch.ts";
import type { TokenSoftwareName } from "./token-software.ts";
import { needTokenSoftware } from "./token-software.ts";

/** Where, in the folder of a fixture, the software keeps its tokens. */
const STORE = "tokens";
/** The one token of an NSS database that holds keys. */
const NSS_LABEL = "NSS Certificate DB";
const NSS_SERIAL = "0000000000000000";

/** A fresh PKCS#11 token in a temporary folder, which goes with it. */
export interface TestToken extends Disposable {
  readonly software: TokenSoftwareName;
  /** Path of the PKCS#11 module. */
  readonly module: string;
  /** What the module reads in the environment of the process that loads it. */
  readonly environment: Readonly<Record<string, string>>;
  /** For C_Initialize, as NSS takes it. */
  readonly libraryParameters?: string;
  readonly label: string;
  readonly serial: string;
  readonly pin: string;
  /** Of the security officer; NSS has none. */
  readonly soPin?: string;
  readonly folder: string;
}

export function softHsmToken(label = "claviger"): TestToken {
  const [token] = softHsmTokens([label]);
  if (token === undefined) throw new Error("softhsm2-util made no token");
  return token;
}

/** Several tokens that one module shows, as the units of a group are. They share a folder, which goes with any of them. */
export function softHsmTokens(labels: readonly string[]): readonly TestToken[] {
  const { program } = needTokenSoftware("softhsm2");
  const folder = newFolder();
  const place = softHsmPlace(folder);
  const made = labels.map((label) => ({ label, pin: newPin(), soPin: newPin() }));
  for (const { label, pin, soPin } of made) {
    run(program, ["--init-token", "--free", "--label", label, "--so-pin", soPin, "--pin", pin], place);
  }
  const serials = softHsmSerials(run(program, ["--show-slots"], place));
  return made.map((token) => {
    const serial = serials.get(token.label);
    if (serial === undefined) throw new Error(`softhsm2-util does not show the token ${token.label}`);
    return { software: "softhsm2", ...place, ...token, serial, folder, ...removing(folder) };
  });
}

export function nssToken(): TestToken {
  const { program } = needTokenSoftware("nss");
  const folder = newFolder();
  const place = nssPlace(folder);
  const pin = newPin();
  const pinFile = join(folder, "pin");
  writeFileSync(pinFile, pin, { mode: 0o600 });
  run(program, ["-N", "-d", `sql:${join(folder, STORE)}`, "-f", pinFile], place);
  rmSync(pinFile);
  const token = { label: NSS_LABEL, serial: NSS_SERIAL, pin };
  return { software: "nss", ...place, ...token, folder, ...removing(folder) };
}

/** The token as it is now, in a folder of its own, and with it those that share its folder. */
export function copyToken(token: TestToken): TestToken {
  const folder = newFolder();
  cpSync(join(token.folder, STORE), join(folder, STORE), { recursive: true });
  const place = token.software === "nss" ? nssPlace(folder) : softHsmPlace(folder);
  return { ...token, ...place, folder, ...removing(folder) };
}

/** Puts a token back to what an earlier copy of it holds, as a device restored from an older backup is. */
export function restoreToken(token: TestToken, copy: TestToken): void {
  const store = join(token.folder, STORE);
  rmSync(store, { recursive: true });
  cpSync(join(copy.folder, STORE), store, { recursive: true });
}

type Place = Pick<TestToken, "module" | "environment" | "libraryParameters">;

function softHsmPlace(folder: string): Place {
  const { module } = needTokenSoftware("softhsm2");
  const store = join(folder, STORE);
  mkdirSync(store, { recursive: true });
  const file = join(folder, "softhsm2.conf");
  const lines = [`directories.tokendir = ${store}`, "objectstore.backend = file", "log.level = ERROR"];
  writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  return { module, environment: { SOFTHSM2_CONF: file } };
}

function nssPlace(folder: string): Place {
  const { module } = needTokenSoftware("nss");
  const store = join(folder, STORE);
  mkdirSync(store, { recursive: true });
  const libraryParameters = `configdir='sql:${store}' certPrefix='' keyPrefix='' secmod='secmod.db' flags=`;
  return { module, environment: {}, libraryParameters };
}

/** By label, from what `softhsm2-util --show-slots` prints: the serial number of a token stands above its label. */
function softHsmSerials(shown: string): ReadonlyMap<string, string> {
  const tokens = shown.matchAll(/Serial number: +(\w+) *\n(?:.*\n){2} *Label: +(.*?) *\n/g);
  return new Map([...tokens].map(([, serial = "", label = ""]) => [label, serial]));
}

/** Returns what the program printed. PINs among the arguments are those of a test, and stay out of the message. */
function run(program: string, args: readonly string[], { environment }: Place): string {
  const env = { ...process.env, ...environment };
  const { status, stdout, stderr } = spawnSync(program, args, { env, encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${args[0]} failed: ${stderr}`);
  return stdout;
}

function newFolder(): string {
  return mkdtempSync(join(SCRATCH, "claviger-token-"));
}

function newPin(): string {
  return randomBytes(8).toString("hex");
}

function removing(folder: string): Disposable {
  return { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}
