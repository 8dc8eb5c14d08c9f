import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ClavigerClient, ClavigerError, isVerified } from "@claviger/sdk";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { TestDaemon } from "../daemon.ts";
import { startTestDaemon } from "../daemon.ts";
import { startRegisterHost } from "../pkcs11/register-host.ts";
import type { TestToken } from "../pkcs11/tokens.ts";
import { copyToken, restoreToken, softHsmToken } from "../pkcs11/tokens.ts";
import { isWithout } from "../set-up/without.ts";

/** A token that comes back as it was before a change, or damaged: it is named, and nothing is done by what it holds. */
const ADDRESS = "01.0001";

describe.skipIf(isWithout("softhsm2"))("the unit of a group on a token", () => {
  let parent: string;
  let token: TestToken;
  let daemon: TestDaemon | undefined;
  let client: ClavigerClient;
  let log: string[];

  async function start(): Promise<void> {
    log = [];
    const pin = join(parent, "unit.pin");
    const uri = `pkcs11:token=${token.label}?module-path=${token.module}&pin-source=${pin}`;
    const env = {
      ...token.environment,
      CLAVIGER_PKCS11_UNITS: `{ "${ADDRESS}" = "${uri}" }`,
      CLAVIGER_PKCS11_MODULES: JSON.stringify([token.module]),
      CLAVIGER_PKCS11_ENVIRONMENT: JSON.stringify(Object.keys(token.environment)),
    };
    daemon = await startTestDaemon({ folder: join(parent, "data"), env, log: (line) => void log.push(line) });
    client = new ClavigerClient(daemon);
  }

  async function stop(): Promise<void> {
    if (daemon) client.close();
    await daemon?.[Symbol.asyncDispose]();
    daemon = undefined;
  }

  beforeEach(async () => {
    parent = mkdtempSync(join(tmpdir(), "claviger-restored-"));
    token = softHsmToken();
    writeFileSync(join(parent, "unit.pin"), `${token.pin}\n`, { mode: 0o600 });
    await start();
    await client.projects.create({ name: "shop" });
    await client.keys.create({ project: "shop", name: "orders" });
  }, 60_000);
  afterEach(async () => {
    await stop();
    token[Symbol.dispose]();
    rmSync(parent, { recursive: true });
  });

  const sealed = () => client.keys.encrypt({ project: "shop", key: "orders", plaintext: Buffer.from("x") });

  it(
    "whose CURRENT is the former master key is named, and neither wraps nor changes by it",
    { timeout: 60_000 },
    async () => {
      const former = (await client.units.get(ADDRESS)).registers[0]?.CURRENT.vp ?? "none";
      using older = copyToken(token);
      const { id } = await client.changes.create();
      const [made] = await client.masterKeys.generate({ unit: ADDRESS });
      const vp = made?.registers.NEW.vp ?? "none";
      await client.masterKeys.commit({ vp });
      await client.waitForChange(id, "STAGED");
      await client.changes.reencipher(id);
      await client.waitForChange(id, "READY");
      await client.changes.activate(id, { vp });
      await client.waitForChange(id, isVerified);
      await client.changes.finalize(id);
      await client.waitForChange(id, "DONE");
      await sealed();
      await stop();
      restoreToken(token, older);
      await start();
      expect((await client.units.get(ADDRESS)).registers[0]?.CURRENT.vp).toBe(former);
      await until(() =>
        log.some((line) => line.includes(former.slice(0, 16)) && line.includes(vp.slice(0, 16))),
      );
      expect(await codeOf(client.projects.create({ name: "another" }))).toBe("fence-moved");
      expect(await codeOf(client.changes.create())).toBe("change-not-ready");
      // Until the purge every KEK has its former form too, which this token opens.
      await sealed();
    },
  );

  it("which lacks an object of a master key is refused at the start, and stays as it is", async () => {
    await stop();
    await using host = await startRegisterHost(token);
    const labels = await host.call("labels");
    const current = labels.find((label) => / WK CURRENT \d+$/.test(label)) ?? "none";
    await host.call("lose", current);
    const lying = await host.call("labels");
    await expect(start()).rejects.toMatchObject({
      code: "unit-token-damaged",
      message: expect.stringContaining("the wrapping key of a master key is missing") as unknown,
    });
    expect(await host.call("labels")).toEqual(lying);
  });
});

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    if (error instanceof ClavigerError) return error.code;
    throw error;
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; !holds(); i += 1) {
    if (i > 400) throw new Error("it does not come about");
    await sleep(50);
  }
}
