import { randomUUID } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClavigerClient, defaultTransport } from "@claviger/sdk";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { migrate } from "../../packages/cli/src/migrate-unit.ts";
import { checkLedger, ClientLoad, createProject, emptyLedger } from "../crash/client-load.ts";
import type { Ledger } from "../crash/client-load.ts";
import type { TestDaemon } from "../daemon.ts";
import { startTestDaemon } from "../daemon.ts";
import { nssToken, softHsmTokens } from "../pkcs11/tokens.ts";
import type { TestToken } from "../pkcs11/tokens.ts";
import { isWithout } from "../set-up/without.ts";

/* One unit takes the place of another: software, SoftHSM, NSS. Applications notice nothing, and nothing is lost. */

const SOFTWARE = "01.0001";
let parent: string;
let daemon: TestDaemon;
let client: ClavigerClient;
let ledger: Ledger;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "claviger-migrate-"));
  mkdirSync(join(parent, "pins"), { mode: 0o700 });
  ledger = emptyLedger();
});
afterEach(async () => {
  client.close();
  await daemon[Symbol.asyncDispose]();
  rmSync(parent, { recursive: true });
});

async function start(tokens: readonly TestToken[] = []): Promise<void> {
  const parameters = tokens.flatMap(({ module, libraryParameters }) =>
    libraryParameters === undefined ? [] : [[module, libraryParameters]],
  );
  daemon = await startTestDaemon({
    folder: join(parent, "data"),
    env: {
      ...Object.assign({}, ...tokens.map(({ environment }) => environment)),
      CLAVIGER_PKCS11_PINS: join(parent, "pins"),
      CLAVIGER_PKCS11_MODULES: JSON.stringify(tokens.map(({ module }) => module)),
      CLAVIGER_PKCS11_LIBRARY_PARAMETERS: `{ ${parameters.map((pair) => pair.map((text) => JSON.stringify(text)).join(" = ")).join(", ")} }`,
    },
  });
  client = new ClavigerClient(daemon);
  if (ledger.projects.size > 0) return;
  for (let i = 0; i < 3; i += 1) await createProject(client, ledger, `p${i}`);
}

async function attach(address: string, token: TestToken, clonable = false): Promise<void> {
  const pinFile = join(parent, "pins", `${address}.pin`);
  writeFileSync(pinFile, `${token.pin}\n`, { mode: 0o600 });
  const named = `token=${encodeURIComponent(token.label)};serial=${token.serial}`;
  const uri = `pkcs11:${named}?module-path=${token.module}&pin-source=${pinFile}`;
  await client.units.add({ address, pkcs11: { uri, clonable } });
}

/** Gives up the master key of before the last change, with a second person. */
async function purge(): Promise<void> {
  const name = `second-${randomUUID()}`;
  const { token } = await client.principals.create({ name, grants: [{ role: "operator" }] });
  using second = new ClavigerClient({ ...daemon, token });
  const { items } = await client.changes.list({});
  const id = items[0]?.id ?? "";
  await client.changes.purge(id);
  await second.changes.approve(id);
  await client.waitForChange(id, "PURGED");
}

async function expectOnly(address: string): Promise<void> {
  const [unit, ...others] = await client.units.list();
  expect([unit?.address, unit?.state, others]).toEqual([address, "serving", []]);
  const { patterns } = await client.census();
  expect(patterns.filter(({ current }) => current > 0).map(({ vp }) => vp)).toEqual([
    unit?.registers[0]?.CURRENT.vp,
  ]);
  await checkLedger(client, ledger);
}

describe("under traffic", () => {
  it.skipIf(isWithout("softhsm2") || isWithout("nss"))(
    "a group moves from its software unit to a SoftHSM token, and on to one of NSS",
    async () => {
      const [softhsm = expect.fail()] = softHsmTokens(["first"]);
      using first = softhsm;
      using second = nssToken();
      await start([first, second]);
      const load = new ClientLoad(client, ledger, "during");
      await attach("02.0001", first, true);
      await migrate(client, { from: SOFTWARE, to: "02.0001", ask: false });
      await purge();
      await attach("03.0001", second);
      await migrate(client, { from: "02.0001", to: "03.0001", ask: false });
      await load.stop();
      expect(load.answered).toBeGreaterThan(50);
      await expectOnly("03.0001");
      expect((await client.changes.list({})).items.map(({ state }) => state)).toEqual(["DONE", "PURGED"]);
    },
    180_000,
  );
});

it.skipIf(isWithout("softhsm2"))(
  "a master key that was made so that it cannot leave its token stays, and no unit is left half added",
  async () => {
    const [first = expect.fail(), second = expect.fail()] = softHsmTokens(["first", "second"]);
    using _ = first;
    await start([first]);
    await attach("02.0001", first);
    await migrate(client, { from: SOFTWARE, to: "02.0001", ask: false });
    await expect(attach("02.0002", second)).rejects.toMatchObject({
      code: "unit-lacks-ability",
      message: expect.stringContaining("the master key in CURRENT of unit 02.0001 is not clonable") as string,
    });
    client.close();
    await daemon[Symbol.asyncDispose]();
    await start([first]);
    await expectOnly("02.0001");
    await createProject(client, ledger, "after-a-restart");
  },
  120_000,
);

describe("a migration that is interrupted", () => {
  /** Commands to the service after which the tool is gone: its own and none of the service's. */
  function dying(afterCommands: number): ClavigerClient {
    let left = afterCommands;
    return new ClavigerClient({
      ...daemon,
      transport: (url) => {
        const inner = defaultTransport({})(url);
        return {
          send: async (request) => {
            if (request.method !== "GET" && left-- <= 0) throw new TypeError("killed");
            return await inner.send(request);
          },
          close: () => inner.close(),
        };
      },
    });
  }

  it("goes on when it is repeated, wherever it was", async () => {
    await start();
    let from = SOFTWARE;
    let isComplete = false;
    for (let commands = 0; !isComplete; commands += 1) {
      const to = `02.000${commands + 1}`;
      await client.units.add({ address: to });
      using tool = dying(commands);
      isComplete = await migrate(tool, { from, to, ask: false }).then(
        () => true,
        () => false,
      );
      if (!isComplete) await migrate(client, { from, to, ask: false });
      await expectOnly(to);
      await purge();
      from = to;
      expect(commands).toBeLessThan(12);
    }
  }, 120_000);

  it("can be taken back until activation", async () => {
    await start();
    const [before] = await client.units.list();
    await client.units.add({ address: "02.0001" });
    using tool = dying(5);
    await expect(migrate(tool, { from: SOFTWARE, to: "02.0001", ask: false })).rejects.toThrow("killed");
    const { items } = await client.changes.list({});
    expect(items[0]?.state).toBe("READY");
    await client.changes.cancel(items[0]?.id ?? "");
    await client.waitForChange(items[0]?.id ?? "", "CANCELED");
    await client.units.readmit(SOFTWARE);
    await client.units.remove("02.0001");
    expect((await client.units.get(SOFTWARE)).registers).toEqual(before?.registers);
    await expectOnly(SOFTWARE);
  });
});

describe("it is refused, and nothing happens,", () => {
  const refused = (from: string, to: string) =>
    expect(migrate(client, { from, to, ask: false })).rejects.toMatchObject({ category: "precondition" });

  it("with a unit that does not serve, with the unit itself, or while another change is open", async () => {
    await start();
    await client.units.add({ address: "02.0001" });
    await refused(SOFTWARE, SOFTWARE);
    await client.units.quarantine("02.0001", "a test");
    await refused(SOFTWARE, "02.0001");
    await client.units.readmit("02.0001");
    await client.changes.create({});
    await refused(SOFTWARE, "02.0001");
    expect((await client.units.get(SOFTWARE)).state).toBe("serving");
  });

  it("while the master key of before an earlier change is kept", async () => {
    await start();
    await client.units.add({ address: "02.0001" });
    await migrate(client, { from: SOFTWARE, to: "02.0001", ask: false });
    await client.units.add({ address: "02.0002" });
    await refused("02.0001", "02.0002");
    expect((await client.units.get("02.0001")).state).toBe("serving");
  });

  it("when the old unit does not answer", async () => {
    await start();
    await client.units.add({ address: "02.0001" });
    const file = join(parent, "data", "units", `${SOFTWARE}.unit`);
    copyFileSync(file, `${file}.kept`);
    rmSync(file);
    await expect.poll(async () => (await client.units.get(SOFTWARE)).reachable).toBe(false);
    await refused(SOFTWARE, "02.0001");
  });
});
