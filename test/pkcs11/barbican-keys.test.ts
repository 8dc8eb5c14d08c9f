import { spawn } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SecretBytes } from "../../packages/server/src/core/secret/secret-bytes.ts";
import { runBarbicanKeyJob } from "../../packages/server/src/units/pkcs11/barbican/run-barbican-key-job.ts";
import { CKA, CKK, CKM, CKO } from "../../packages/server/src/units/pkcs11/token/cryptoki.ts";
import type {
  ObjectHandle,
  Pkcs11Module,
  Session,
} from "../../packages/server/src/units/pkcs11/token/module.ts";
import { template } from "../../packages/server/src/units/pkcs11/token/module.ts";
import { tokenUri } from "../../packages/server/src/units/pkcs11/token-uri.ts";
import { isWithout } from "../set-up/without.ts";
import { inside } from "./inside-token.ts";
import { shimFor } from "./shim.ts";
import type { TestToken } from "./tokens.ts";
import { nssToken, softHsmToken } from "./tokens.ts";

/*
 * `clavigerd hsm` as an operator of Barbican runs it, on real tokens. test/cli/transcripts/hsm.txt has its messages and
 * exit statuses; here is what it does to the token, and what becomes of a module that fails.
 */

const CLAVIGERD = fileURLToPath(new URL("../../packages/server/bin/clavigerd.js", import.meta.url));
const CKR_PIN_LOCKED = 0xa4;

interface Ran {
  readonly said: string;
  readonly exit: number | null;
}

type Through = Pick<TestToken, "module" | "environment">;

function start(token: TestToken, words: readonly string[], through: Through = token) {
  const pinFile = join(token.folder, "pin");
  writeFileSync(pinFile, `${token.pin}\n`, { mode: 0o600 });
  const { label, serial, libraryParameters } = token;
  const uri = tokenUri({
    modulePath: through.module,
    pinFile,
    token: label,
    serial,
    ...(libraryParameters !== undefined && { libraryParameters }),
  });
  const child = spawn(process.execPath, [CLAVIGERD, "hsm", ...words, "--uri", uri], {
    env: { PATH: process.env["PATH"], ...through.environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exit = new Promise<number | null>((resolve) => child.once("close", resolve));
  const ran = async (): Promise<Ran> => {
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { said: out + err, exit: await exit };
  };
  return { pid: child.pid ?? 0, ran: ran() };
}

async function hsm(token: TestToken, words: readonly string[], through: Through = token): Promise<Ran> {
  return await start(token, words, through).ran;
}

function secretKeys(module: Pkcs11Module, session: Session, label: string): readonly ObjectHandle[] {
  return module.find(session, template({ CLASS: CKO.SECRET_KEY, LABEL: Buffer.from(label) }), 5);
}

/** The attributes of the one key of that label, booleans and numbers by name. */
function keyIn(token: TestToken, label: string): Readonly<Record<string, boolean | number>> {
  return inside(token, (module, session) => {
    const [key, another] = secretKeys(module, session, label);
    if (key === undefined || another !== undefined) throw new Error(`not one key is labelled ${label}`);
    const number = (type: number): number => Number(module.attribute(session, key, type).readBigUInt64LE());
    const flags = [
      "TOKEN",
      "PRIVATE",
      "SENSITIVE",
      "EXTRACTABLE",
      "ENCRYPT",
      "DECRYPT",
      "SIGN",
      "VERIFY",
    ] as const;
    const uses = [...flags, "WRAP", "UNWRAP"] as const;
    return {
      keyType: number(CKA.KEY_TYPE),
      lengthBytes: number(CKA.VALUE_LEN),
      ...Object.fromEntries(uses.map((name) => [name, module.isSet(session, key, CKA[name])])),
    };
  });
}

const KEPT = { TOKEN: true, PRIVATE: true, SENSITIVE: true, EXTRACTABLE: false };
const WRAPS = { ENCRYPT: true, DECRYPT: true, WRAP: true, UNWRAP: true, SIGN: false, VERIFY: false };
const SIGNS = { ENCRYPT: false, DECRYPT: false, WRAP: false, UNWRAP: false, SIGN: true, VERIFY: true };

describe.for([
  ["softhsm2", softHsmToken],
  ["nss", nssToken],
] as const)("Barbican's keys in a token of %s", ([name, newToken]) => {
  let token: TestToken;
  beforeAll(() => {
    if (!isWithout(name)) token = newToken();
  });
  afterAll(() => token?.[Symbol.dispose]());

  test.skipIf(isWithout(name))("are made by Barbican's own template, and once", async () => {
    expect(await hsm(token, ["check-mkek", "--label", "schlüssel"])).toEqual({
      said: "Label schlüssel is not set.\n",
      exit: 1,
    });
    expect(await hsm(token, ["gen-mkek", "--label", "schlüssel"])).toEqual({
      said: "MKEK successfully generated!\n",
      exit: 0,
    });
    expect(await hsm(token, ["gen-mkek", "--label", "schlüssel"])).toEqual({
      said: "The label schlüssel already exists!\n",
      exit: 1,
    });
    expect(await hsm(token, ["check-mkek", "--label", "schlüssel"])).toEqual({
      said: "Key labeled schlüssel found!\n",
      exit: 0,
    });
    expect(keyIn(token, "schlüssel")).toEqual({ keyType: CKK.AES, lengthBytes: 32, ...KEPT, ...WRAPS });

    const made = { said: "HMAC successfully generated!\n", exit: 0 };
    expect(await hsm(token, ["gen-hmac"])).toEqual(made);
    expect(keyIn(token, "primaryhmac")).toEqual({ keyType: CKK.AES, lengthBytes: 32, ...KEPT, ...SIGNS });
    const generic = ["--label", "generic", "--key-type", "CKK_GENERIC_SECRET"];
    expect(await hsm(token, ["gen-hmac", ...generic, "--length", "64"])).toEqual(made);
    const expected = { keyType: CKK.GENERIC_SECRET, lengthBytes: 64, ...KEPT, ...SIGNS };
    expect(keyIn(token, "generic")).toEqual(expected);
    expect((await hsm(token, ["check-hmac", ...generic])).exit).toBe(0);
    // The next key leaves the ones before it alone.
    expect((await hsm(token, ["check-mkek", "--label", "schlüssel"])).exit).toBe(0);
  });

  test.skipIf(isWithout(name))("are not made where the token would make one of another type", async () => {
    const words = ["--label", "odd", "--key-type", "CKK_GENERIC_SECRET", "--mechanism", "CKM_AES_KEY_GEN"];
    const { said, exit } = await hsm(token, ["gen-hmac", ...words]);
    expect(said).toMatch(
      name === "nss"
        ? /^ERROR: CKM_AES_KEY_GEN made no key of type CKK_GENERIC_SECRET\n {2}→ The key was destroyed again/
        : /^ERROR: HSM returned response code: 0xd1 CKR_TEMPLATE_INCONSISTENT\n {2}→ /,
    );
    expect(exit).toBe(1);
    expect(inside(token, (module, session) => secretKeys(module, session, "odd"))).toEqual([]);
  });

  test.skipIf(isWithout(name))("are of no use where two have one label", async () => {
    inside(token, (module, session) => {
      const attributes = { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.AES, VALUE_LEN: 32, TOKEN: true, WRAP: true };
      for (const id of ["one", "two"])
        module.generateKey(
          session,
          CKM.AES_KEY_GEN,
          template({ ...attributes, LABEL: "twice", ID: Buffer.from(id) }),
        );
    });
    for (const verb of ["check-mkek", "gen-mkek"]) {
      const { said, exit } = await hsm(token, [verb, "--label", "twice"]);
      expect(said).toMatch(/^ERROR: More than one key found for label\n {2}→ /);
      expect(exit).toBe(1);
    }
  });
});

describe.skipIf(isWithout("softhsm2"))("clavigerd hsm", () => {
  test("tries a PIN once", async () => {
    using token = softHsmToken();
    using shim = shimFor(token);
    const { said, exit } = await hsm({ ...token, pin: "00000000" }, ["check-mkek"], shim);
    expect(said).toMatch(
      /^ERROR: HSM returned response code: 0xa0 CKR_PIN_INCORRECT\n {2}→ The PIN was tried once\./,
    );
    expect(exit).toBe(1);
    expect(shim.calls("C_Login")).toBe(1);

    shim.set({ fn: "C_Login", rv: CKR_PIN_LOCKED });
    expect((await hsm(token, ["gen-mkek"], shim)).said).toContain("0xa4 CKR_PIN_LOCKED");
    expect(shim.calls("C_Login")).toBe(2);
    expect(shim.calls("C_GenerateKey")).toBe(0);
  });

  test("survives a module that crashes, and says that the key may be there", async () => {
    using token = softHsmToken();
    using shim = shimFor(token);
    const crashed = {
      said: "ERROR: the PKCS#11 module ended its process with SIGSEGV\n  → Whether there is a key now is not known: check. See the log of the HSM and of its driver.\n",
      exit: 1,
    };
    shim.set({ fn: "C_GenerateKey", crash: true });
    expect(await hsm(token, ["gen-mkek"], shim)).toEqual(crashed);
    shim.set({ fn: "C_GenerateKey", crash: true, after: true });
    expect((await hsm(token, ["check-mkek"], shim)).said).toBe("Label primarymkek is not set.\n");
    expect(await hsm(token, ["gen-mkek"], shim)).toEqual(crashed);
    expect((await hsm(token, ["check-mkek"], shim)).said).toBe("Key labeled primarymkek found!\n");
  });

  test("gives up on a module that hangs, and ends it", async () => {
    using token = softHsmToken();
    using shim = shimFor(token);
    shim.set({ fn: "C_FindObjects", hang: true });
    Object.assign(process.env, shim.environment);
    using pin = new SecretBytes(Buffer.from(token.pin));
    const job = {
      location: { modulePath: shim.module, token: token.label },
      ask: { what: "check", key: { type: "CKK_AES", label: "mkek" } },
    } as const;
    expect(await runBarbicanKeyJob(job, pin, 2_000)).toEqual({
      outcome: "failed",
      message: "the PKCS#11 module did not answer within 2 s",
      advice: "See the log of the HSM and of its driver.",
    });
    expect(shim.injected()).toBe(1);
  });

  test("shows the PIN to nobody: not in arguments, not in the environment, not in a core", async () => {
    using token = softHsmToken();
    using shim = shimFor(token);
    shim.set({ fn: "C_GenerateKey", hang: true });
    const { pid, ran } = start(token, ["gen-mkek"], shim);
    while (shim.injected() === 0) await sleep(20);
    const processes = [pid, ...childrenOf(pid)];
    expect(processes).toHaveLength(2);
    for (const one of processes)
      for (const file of ["cmdline", "environ"])
        expect(readFileSync(`/proc/${one}/${file}`, "latin1")).not.toContain(token.pin);
    expect(readFileSync(`/proc/${processes[1]}/limits`, "utf8")).toMatch(/^Max core file size +0 +0 /m);
    shim.clear();
    expect(await ran).toEqual({ said: "MKEK successfully generated!\n", exit: 0 });
  });

  test("asks for the PIN on a terminal, without showing it", async () => {
    using token = softHsmToken();
    const words = ["gen-mkek", "--library-path", token.module, "--token-label", token.label];
    const { screen, exit } = await onTerminal(token, words, `${token.pin}ü7\u007f\b\r`);
    expect(screen).toBe("PIN of the token: \r\nMKEK successfully generated!\r\n");
    expect(exit).toBe(0);
    const none = /^PIN of the token: \r\nclavigerd: usage: no PIN was typed, so nothing was done\r\n/;
    for (const key of ["\r", "\u0003", "\u0004", `${token.pin}\u0003`]) {
      const refused = await onTerminal(token, words, key);
      expect(refused.screen).toMatch(none);
      expect(refused.exit).toBe(2);
    }
  });
});

function childrenOf(pid: number): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => parentOf(name) === pid)
    .map(Number);
}

/** A process that has ended meanwhile has no parent. */
function parentOf(pid: string): number | undefined {
  try {
    return Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch (error) {
    if (error instanceof Error && "code" in error && ["ENOENT", "ESRCH"].includes(String(error.code)))
      return undefined;
    throw error;
  }
}

/** Runs it on a pseudo-terminal (util-linux `script`), presses the keys when it asks, returns what the screen showed. */
async function onTerminal(
  { environment }: TestToken,
  words: readonly string[],
  keys: string,
): Promise<{ readonly screen: string; readonly exit: number | null }> {
  const command = [process.execPath, CLAVIGERD, "hsm", ...words].map((word) => `'${word}'`).join(" ");
  const child = spawn("script", ["-qefc", command, "/dev/null"], {
    env: { PATH: process.env["PATH"], NO_COLOR: "1", ...environment },
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdout.on("data", (chunk: Buffer) => {
    if (chunk.includes("PIN of the token: ")) child.stdin.write(keys);
  });
  const exit = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { screen: await text(child.stdout), exit: await exit };
}
