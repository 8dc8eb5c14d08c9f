import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const MODULES = fileURLToPath(new URL("../../node_modules", import.meta.url));
/** Where pkcs11/pkcs11.h is: the headers of PKCS#11 v2.40 that pkcs11js is compiled with. */
export const PKCS11_HEADERS = join(MODULES, "pkcs11js", "includes");
const CACHE = join(MODULES, ".cache", "claviger");
const FLAGS = ["-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror"];

export interface CProgram {
  /** Path of the one file that is compiled. */
  readonly source: string;
  /** Files that it includes. */
  readonly headers?: readonly string[];
  /** A library that is loaded at run time, in place of a program. */
  readonly shared?: boolean;
}

/** Compiles a C file, once for what it says, and returns the path of the program or library. */
export function compileC({ source, headers = [], shared = false }: CProgram): string {
  const kind = shared ? ["-shared", "-fPIC"] : [];
  const hash = createHash("sha256").update([...FLAGS, ...kind].join(" "));
  for (const file of [source, ...headers]) hash.update(readFileSync(file));
  const name = `${basename(source, ".c")}-${hash.digest("hex").slice(0, 16)}`;
  const compiled = join(CACHE, name);
  if (existsSync(compiled)) return compiled;
  mkdirSync(CACHE, { recursive: true });
  // Two test files may compile it at the same time.
  const draft = join(CACHE, `${name}.${process.pid}`);
  const args = [...FLAGS, ...kind, "-isystem", PKCS11_HEADERS, source, "-o", draft, "-ldl"];
  const { error, status, stderr } = spawnSync("gcc", args, { encoding: "utf8" });
  if (error)
    throw new Error("gcc is needed: install it (Debian: apt-get install gcc libc6-dev)", { cause: error });
  if (status !== 0) throw new Error(`gcc failed: ${stderr}`);
  renameSync(draft, compiled);
  return compiled;
}
