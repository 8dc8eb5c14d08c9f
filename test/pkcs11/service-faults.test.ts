import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ClavigerClient, isVerified } from "@claviger/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OpenPkcs11Unit } from "../../packages/server/src/units/pkcs11/open-pkcs11-unit.ts";
import { createPkcs11Unit, openPkcs11Unit } from "../../packages/server/src/units/pkcs11/open-pkcs11-unit.ts";
import { unitOn } from "../contracts/pkcs11-units.ts";
import type { TestDaemon } from "../daemon.ts";
import { startTestDaemon } from "../daemon.ts";
import { SCRATCH } from "../model/scratch.ts";
import { isWithout } from "../set-up/without.ts";
import type { Fault, Shim } from "./shim.ts";
import { shimFor } from "./shim.ts";
import { DEADLINES_MS } from "./shimmed-unit.ts";
import type { TestToken } from "./tokens.ts";
import { softHsmToken } from "./tokens.ts";

/** A service with two tokens, one of which fails: nobody who uses it notices, and the token serves again when it can. */
const [SOUND, FAILING] = ["01.0001", "01.0002"] as const;
const CKR_FUNCTION_FAILED = 0x06;
const CKR_DEVICE_ERROR = 0x30;
const BACK_WITHIN_MS = 5_000;
const PROJECTS = 120;

describe.skipIf(isWithout("softhsm2"))("a service, of whose two tokens one fails,", () => {
  const parent = mkdtempSync(join(SCRATCH, "claviger-faults-"));
  const tokens: TestToken[] = [];
  let shim: Shim;
  let daemon: TestDaemon;
  let client: ClavigerClient;

  beforeAll(async () => {
    const [sound, failing] = [softHsmToken("sound"), softHsmToken("failing")];
    tokens.push(sound, failing);
    shim = shimFor(failing);
    const through = { ...failing, module: shim.module, environment: shim.environment };
    const optionsOf = ({ address, onTrouble }: OpenPkcs11Unit): OpenPkcs11Unit =>
      unitOn(address === FAILING ? through : sound, address, {
        deadlinesMs: DEADLINES_MS,
        ...(onTrouble && { onTrouble }),
      });
    const uri = ({ label, module, folder }: TestToken) =>
      `pkcs11:token=${label}?module-path=${module}&pin-source=${join(folder, "unit.pin")}`;
    for (const token of tokens) unitOn(token, SOUND as OpenPkcs11Unit["address"]); // writes its PIN file
    daemon = await startTestDaemon({
      folder: join(parent, "data"),
      env: {
        CLAVIGER_PKCS11_UNITS: JSON.stringify({ [SOUND]: uri(sound), [FAILING]: uri(through) }).replaceAll(
          '":"',
          '" = "',
        ),
      },
      opener: {
        create: (options) => createPkcs11Unit(optionsOf(options)),
        open: (options) => openPkcs11Unit(optionsOf(options)),
      },
    });
    client = new ClavigerClient(daemon);
    await client.units.add({ address: FAILING });
    for (let i = 0; i < PROJECTS; i += 1) await client.projects.create({ name: `p${i}` });
  });
  afterAll(async () => {
    client.close();
    await daemon[Symbol.asyncDispose]();
    shim[Symbol.dispose]();
    for (const token of tokens) token[Symbol.dispose]();
    rmSync(parent, { recursive: true, force: true });
  });

  let projects = 0;
  /** A new project with a key, by whichever unit's turn it is. */
  const newKey = async (): Promise<string> => {
    const project = `k${(projects += 1)}`;
    await client.projects.create({ name: project });
    await client.keys.create({ project, name: "k" });
    return project;
  };
  const encrypted = async (project: string): Promise<void> => {
    const plaintext = Buffer.from(`a message of ${project}`);
    const { ciphertext } = await client.keys.encrypt({ project, key: "k", plaintext });
    const opened = await client.keys.decrypt({ project, ciphertext });
    if (!plaintext.equals(opened.plaintext)) throw new Error("another message came back");
  };
  /** Six keys, some of which are open on the token that will fail. */
  const keysOnBoth = async (): Promise<readonly string[]> => {
    const before = shim.calls("C_Encrypt");
    const keys = await Promise.all(Array.from({ length: 6 }, newKey));
    await Promise.all(keys.map(encrypted));
    expect(shim.calls("C_Encrypt") - before).toBeGreaterThan(0);
    return keys;
  };
  const serve = async (keys: readonly string[], ms: number): Promise<void> => {
    const until = performance.now() + ms;
    const lane = async (project: string): Promise<void> => {
      do await encrypted(project);
      while (performance.now() < until);
    };
    await Promise.all(keys.map(lane));
  };
  /** The time until the token that failed does new work. */
  const backAfterMs = async (): Promise<number> => {
    const startedMs = performance.now();
    // KEKs are made, or messages sealed.
    const works = (): number => shim.calls("C_GenerateKey") + shim.calls("C_Encrypt");
    const before = works();
    while (works() === before && performance.now() - startedMs < 4 * BACK_WITHIN_MS) {
      await encrypted(await newKey());
      await sleep(20);
    }
    expect(await client.units.get(FAILING)).toMatchObject({ state: "serving", reachable: true });
    return performance.now() - startedMs;
  };

  /** Which takes two. */
  const purge = async (id: string): Promise<void> => {
    const { token } = await client.principals.create({
      name: `second-${id}`,
      grants: [{ role: "operator" }],
    });
    using second = new ClavigerClient({ ...daemon, token });
    await client.changes.purge(id).catch(() => undefined); // asks for the approval
    await second.changes.approve(id);
    await client.waitForChange(id, "PURGED");
  };

  const faults: readonly (readonly [string, Fault])[] = [
    ["returns CKR_DEVICE_ERROR", { fn: "*", rv: CKR_DEVICE_ERROR }],
    ["hangs", { fn: "*", hang: true }],
    ["crashes", { fn: "*", crash: true }],
  ];
  test.each(faults)("serves while it %s, and by it soon after", async (_, fault) => {
    const keys = await keysOnBoth();
    const before = shim.injected();
    shim.set(fault);
    const ready = sleep(500).then(() => fetch(`${daemon.address}/readyz`));
    await serve(keys, 1_500);
    expect(shim.injected()).toBeGreaterThan(before);
    expect(await (await ready).json()).toMatchObject({ ready: expect.any(Boolean) as boolean });
    shim.clear();
    const backMs = await backAfterMs();
    expect(backMs).toBeLessThan(BACK_WITHIN_MS);
  });

  const inWork: readonly (readonly [string, readonly Fault[]])[] = [
    ["flips a bit of 1 % of wrapped keys", [{ flip: "C_WrapKey", rate: 1 }]],
    [
      "fails at 10 % of the keys that it unwraps, and flips a bit of 10 % of wrapped keys",
      [
        { fn: "C_UnwrapKey", rate: 10, rv: CKR_FUNCTION_FAILED },
        { flip: "C_WrapKey", rate: 10 },
      ],
    ],
  ];
  test.each(inWork)("changes its master key while it %s, and every row opens on both", async (_, set) => {
    const { id } = await client.changes.create({ rowsPerSecond: 150 });
    const [filled] = await client.masterKeys.generate();
    await client.masterKeys.copy();
    const vp = filled?.registers.NEW.vp ?? "";
    await client.masterKeys.commit({ vp });
    const before = [shim.injected(), shim.calls("C_WrapKey")] as const;
    await client.changes.reencipher(id);
    shim.set(...set);
    await client.waitForChange(id, "READY");
    expect(shim.injected()).toBeGreaterThan(before[0]);
    expect(shim.calls("C_WrapKey")).toBeGreaterThan(before[1]);
    shim.clear();
    expect(await backAfterMs()).toBeLessThan(BACK_WITHIN_MS);
    await client.changes.activate(id, { vp });
    const { progress } = await client.waitForChange(id, isVerified);
    expect(progress.verified.map(({ unit, opened, complete }) => [unit, opened, complete])).toEqual(
      [SOUND, FAILING].map((unit) => [unit, progress.keks, true]),
    );
    await client.changes.finalize(id);
    await client.waitForChange(id, "DONE");
    await purge(id);
    const { total, patterns } = await client.census();
    expect(patterns).toEqual([expect.objectContaining({ vp, current: total })]);
    await keysOnBoth();
  });
});
