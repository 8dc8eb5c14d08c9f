import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClavigerClient, ClavigerError } from "@claviger/sdk";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Failure } from "../../packages/server/src/core/errors.ts";
import type { CryptoUnit } from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { TestDaemon, TestDaemonOptions } from "../daemon.ts";
import { startTestDaemon } from "../daemon.ts";
import { guarded } from "../model/world.ts";
import type { SoftTokens } from "../soft-tokens.ts";
import { softTokens } from "../soft-tokens.ts";

/*
 * What the service does about a token: it is attached, joins, serves, is opened again at the next start, and leaves with its
 * keys in it; and what cannot join leaves nothing behind. The tokens are software units in a folder (soft-tokens.ts).
 */
const MODULE = "/usr/lib/vendor/libtoken.so";
const ADDRESS = "02.0001";
let parent: string;
let tokens: SoftTokens;
let daemon: TestDaemon | undefined;
let client: ClavigerClient;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "claviger-tokens-"));
  mkdirSync(join(parent, "tokens"));
  writeFileSync(join(parent, "configured.pin"), "1234", { mode: 0o600 });
  tokens = softTokens(join(parent, "tokens"));
});
afterEach(async () => {
  await stop();
  rmSync(parent, { recursive: true });
});

const folder = () => join(parent, "data");
const units = () => readdirSync(join(folder(), "units")).toSorted();
const uri = (token: string) =>
  `pkcs11:token=${token}?module-path=${MODULE}&pin-source=${join(folder(), "pins", "token.pin")}`;
const configured = (address: string, token: string) => ({
  CLAVIGER_PKCS11_UNITS: `{ "${address}" = "pkcs11:token=${token}?module-path=${MODULE}&pin-source=${join(parent, "configured.pin")}" }`,
});

async function start(
  env: Readonly<Record<string, string>> = {},
  interposed: Pick<TestDaemonOptions, "unit"> = {},
): Promise<void> {
  const modules = { CLAVIGER_PKCS11_MODULES: JSON.stringify([MODULE]) };
  const options = { folder: folder(), opener: tokens, env: { ...modules, ...env } };
  daemon = await startTestDaemon({ ...options, ...interposed });
  client = new ClavigerClient(daemon);
  const pin = join(folder(), "pins", "token.pin");
  if (!existsSync(pin)) writeFileSync(pin, "1234\n", { mode: 0o600 });
}

async function stop(): Promise<void> {
  if (daemon) client.close();
  await daemon?.[Symbol.asyncDispose]();
  daemon = undefined;
}

async function restart(env: Readonly<Record<string, string>> = {}): Promise<void> {
  await stop();
  await start(env);
}

async function refusal(call: Promise<unknown>): Promise<readonly [string, string]> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ClavigerError) return [error.code, error.message];
    throw error;
  }
  throw new Error("nothing was refused");
}

const attach = (token = "one", address = ADDRESS) =>
  client.units.add({ address, pkcs11: { uri: uri(token) } });
const stateOf = async (address: string) => (await client.units.get(address)).state;

describe("a token", () => {
  it("joins the group, serves, and serves again after a restart", async () => {
    await start();
    const added = await attach();
    expect(added).toMatchObject({ address: ADDRESS, adapter: "pkcs11", state: "serving", reachable: true });
    const [first] = await client.units.list();
    expect(added.registers[0]?.CURRENT).toEqual(first?.registers[0]?.CURRENT);
    await restart();
    expect(await client.units.get(ADDRESS)).toMatchObject({
      adapter: "pkcs11",
      state: "serving",
      reachable: true,
    });
    await client.units.quarantine("01.0001", "so that the token alone serves");
    await client.projects.create({ name: "shop" });
  });

  it("leaves with its keys in it, and comes back with them without a copy", async () => {
    await start();
    await attach();
    await client.units.remove(ADDRESS);
    expect(units()).toContain(`${ADDRESS}.pkcs11.removed`);
    expect(units()).not.toContain(`${ADDRESS}.pkcs11`);
    tokens.clones = false;
    expect((await attach()).state).toBe("serving");
  });

  it("takes the next free address, and none that is kept for another token", async () => {
    await start(configured("01.0002", "other"));
    expect((await client.units.add({ pkcs11: { uri: uri("one") } })).address).toBe("01.0003");
    expect((await client.units.add()).adapter).toBe("software");
    expect(await client.units.add({ address: "01.0002" })).toMatchObject({
      adapter: "pkcs11",
      state: "serving",
    });
  });

  it("whose module is not allowed any more is not reached at the next start, and others serve", async () => {
    await start();
    await attach();
    await restart({ CLAVIGER_PKCS11_MODULES: "[]" });
    expect(await client.units.get(ADDRESS)).toMatchObject({ reachable: false });
    expect(await stateOf("01.0001")).toBe("serving");
    await restart();
    expect(await client.units.get(ADDRESS)).toMatchObject({ reachable: true });
  });
});

describe("a token that cannot join leaves no unit behind:", () => {
  const nothingLeft = async () => {
    expect((await client.units.list()).map(({ address }) => address)).toEqual(["01.0001"]);
    expect(units().filter((name) => name.endsWith(".pkcs11"))).toEqual([]);
    await restart();
    expect((await client.units.list()).map(({ address }) => address)).toEqual(["01.0001"]);
  };

  it("one that master keys cannot be copied into", async () => {
    await start();
    tokens.clones = false;
    const [code, message] = await refusal(attach());
    expect([code, message]).toEqual([
      "unit-lacks-ability",
      `master keys cannot be copied from unit 01.0001 to unit ${ADDRESS}: unit ${ADDRESS} neither gives any nor takes them`,
    ]);
    await nothingLeft();
  });

  it("one that holds master keys which its group does not use", async () => {
    await start();
    await attach();
    await client.units.remove(ADDRESS);
    await stop();
    rmSync(folder(), { recursive: true });
    await start();
    const [code, message] = await refusal(attach());
    expect(code).toBe("register-state");
    expect(message).toMatch(/^CURRENT of the token for unit 02\.0001 holds [0-9a-f]{32}, /);
    await nothingLeft();
  });

  it("one that the configuration does not allow", async () => {
    await start({ CLAVIGER_PKCS11_MODULES: '["/usr/lib/other.so"]' });
    expect(await refusal(attach())).toEqual([
      "module-not-allowed",
      `the configuration does not allow the module ${MODULE}`,
    ]);
    expect(tokens.calls).toEqual([]);
    await nothingLeft();
  });

  it("one that is a unit already, whatever it is called", async () => {
    await start();
    await attach();
    const [code, message] = await refusal(attach("one", "02.0002"));
    expect([code, message]).toEqual(["unit-exists", `the token of unit 02.0002 is unit ${ADDRESS} already`]);
    expect(await stateOf(ADDRESS)).toBe("serving");
    expect(units()).not.toContain("02.0002.pkcs11");
  });
});

describe("a first start with a token for the first address", () => {
  const env = () => configured("01.0001", "first");

  it("makes the first master key in that token, and finds it there again", async () => {
    await start(env());
    const [first, ...others] = await client.units.list();
    expect(first).toMatchObject({ address: "01.0001", adapter: "pkcs11", state: "serving" });
    expect([others, units()]).toEqual([[], ["01.0001.pkcs11", "01.0001.token"]]);
    await restart(env());
    expect((await client.units.get("01.0001")).registers).toEqual(first?.registers);
  });

  it("goes on after an interruption, with the master key that it had made", async () => {
    let commands = 0;
    const dying = (unit: CryptoUnit) =>
      guarded(unit, (call) => {
        if (call === "registers.execute" && ++commands > 1) throw new Failure("unit-unreachable");
      });
    await expect(start(env(), { unit: dying })).rejects.toMatchObject({ code: "unit-unreachable" });
    const content = await tokens.open(tokens.calls[0] ?? expect.fail());
    const [{ NEW } = expect.fail()] = await content.registers.read();
    await content.close();
    await start(env());
    const [first] = (await client.units.get("01.0001")).registers;
    expect(first?.CURRENT.vp).toBe(NEW.vp);
  });

  it("refuses a token that holds a master key: its database is missing", async () => {
    await start(env());
    await stop();
    rmSync(folder(), { recursive: true });
    await expect(start(env())).rejects.toThrow(
      "the token of unit 01.0001 holds a master key, but there is no database",
    );
    await expect(start(env())).rejects.toMatchObject({ code: "store-missing" });
  });
});
