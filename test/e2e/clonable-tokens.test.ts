import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClavigerClient } from "@claviger/sdk";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { TestDaemon } from "../daemon.ts";
import { startTestDaemon } from "../daemon.ts";
import type { TestToken } from "../pkcs11/tokens.ts";
import { copyToken, softHsmTokens } from "../pkcs11/tokens.ts";
import { isWithout } from "../set-up/without.ts";

/* A group whose first master key was made in a real token, and a second token that is to join it. */

const FIRST = "01.0001";
const SECOND = "02.0001";

describe.skipIf(isWithout("softhsm2"))("a second token", () => {
  let blanks: readonly TestToken[];
  let parent: string;
  beforeAll(() => {
    blanks = softHsmTokens(["one", "two"]);
  });
  afterAll(() => {
    for (const blank of blanks) blank[Symbol.dispose]();
  });
  afterEach(() => {
    rmSync(parent, { recursive: true });
  });

  const units = () => readdirSync(join(parent, "data", "units")).toSorted();

  async function start(copy: TestToken, clonable: readonly string[]): Promise<TestDaemon> {
    parent = mkdtempSync(join(tmpdir(), "claviger-clonable-"));
    const entries = [FIRST, SECOND].map((address, nth) => {
      const { module, label, pin } = blanks[nth] ?? expect.fail();
      const pinFile = join(parent, `${label}.pin`);
      writeFileSync(pinFile, pin, { mode: 0o600 });
      return `"${address}" = "pkcs11:token=${label}?module-path=${module}&pin-source=${pinFile}"`;
    });
    return await startTestDaemon({
      folder: join(parent, "data"),
      env: {
        ...copy.environment,
        CLAVIGER_PKCS11_UNITS: `{ ${entries.join(", ")} }`,
        CLAVIGER_PKCS11_CLONABLE: JSON.stringify(clonable),
        CLAVIGER_PKCS11_HOSTS: "1",
      },
    });
  }

  it("is refused before there is a unit of it, where the master key is not clonable", async () => {
    using copy = copyToken(blanks[0] ?? expect.fail());
    await using daemon = await start(copy, [SECOND]);
    using client = new ClavigerClient(daemon);
    expect((await client.units.get(FIRST)).token).toMatchObject({ label: "one", clonable: false });
    await expect(client.units.add({ address: SECOND })).rejects.toMatchObject({
      code: "unit-lacks-ability",
      message: `the master key in CURRENT of unit ${FIRST} is not clonable: it cannot be copied to unit ${SECOND}, nor to any other`,
    });
    expect((await client.units.list()).map(({ address }) => address)).toEqual([FIRST]);
    expect(units().filter((name) => name.endsWith(".pkcs11"))).toEqual([`${FIRST}.pkcs11`]);
  });

  it("gets the master key where that is clonable, and shows what it can do", async () => {
    using copy = copyToken(blanks[0] ?? expect.fail());
    await using daemon = await start(copy, [FIRST]);
    using client = new ClavigerClient(daemon);
    const added = await client.units.add({ address: SECOND });
    const first = await client.units.get(FIRST);
    expect(added).toMatchObject({ state: "serving", token: { label: "two", clonable: false } });
    expect(added.registers).toEqual(first.registers);
    expect(first.token).toMatchObject({ label: "one", clonable: true });
    expect(first.abilities).toMatchObject({ payloadSuite: 3, cloneMasterKeys: true, keepsAnchors: false });
  });

  it("cannot give on what it got: that is not clonable in it, where it was not attached as such", async () => {
    using copy = copyToken(blanks[0] ?? expect.fail());
    await using daemon = await start(copy, [FIRST]);
    using client = new ClavigerClient(daemon);
    await client.units.add({ address: SECOND });
    await client.units.remove(FIRST);
    await expect(client.units.add({ address: "03.0001" })).rejects.toMatchObject({
      code: "unit-lacks-ability",
      message: expect.stringContaining(`CURRENT of unit ${SECOND} is not clonable`) as string,
    });
    expect(units().filter((name) => /\.(?:pkcs11|unit)$/.test(name))).toEqual([`${SECOND}.pkcs11`]);
  });
});
