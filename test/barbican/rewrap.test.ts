import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CensusLine } from "../../packages/server/src/core/barbican/census.ts";
import type { TestToken } from "../pkcs11/tokens.ts";
import { isWithout } from "../set-up/without.ts";
import { barbicanToken } from "./barbican-token.ts";
import type { Barbican } from "./barbican.ts";
import { startBarbican } from "./barbican.ts";
import type { DatabaseServer } from "./database-servers.ts";
import { DATABASE_SERVERS } from "./database-servers.ts";
import { runClavigerd } from "./run-clavigerd.ts";

/*
 * The rotation of a real Barbican, 15.0.1 with its own p11_crypto, as its operator does it: on each database, with the API
 * serving from it all the time.
 */

const OLD = { mkek: "mkek_2025", hmac: "hmac_2025" };
const NEW = { mkek: "mkek_2026", hmac: "hmac_2026" };
const TO_NEW = ["--mkek-label", NEW.mkek, "--hmac-label", NEW.hmac];
const PROJECTS = ["red", "blue", "green"];

interface Report {
  readonly rows: Readonly<Record<string, number | null>>;
  readonly failures: readonly unknown[];
  readonly census: { readonly after: readonly CensusLine[] | null };
}

describe.for(Object.entries(DATABASE_SERVERS))("a Barbican on %s", ([, { needs, start }]) => {
  const lacks = ["barbican", "nss", ...(needs === undefined ? [] : [needs])].some(isWithout);
  let token: TestToken;
  let server: DatabaseServer;
  let barbican: Barbican;
  const secrets = new Map<string, { readonly project: string; readonly text: string }>();

  beforeAll(async () => {
    if (lacks) return;
    token = barbicanToken();
    server = await start();
    barbican = await startBarbican({ token, databaseUrl: await server.newDatabase(), labels: OLD });
    for (const project of PROJECTS)
      for (const nth of [1, 2]) {
        const text = `secret ${nth} of ${project}`;
        secrets.set(await barbican.storeSecret(project, text), { project, text });
      }
    const [deleted = ""] = secrets.keys();
    await barbican.deleteSecret("red", deleted);
    secrets.delete(deleted);
    barbican.sql(
      "UPDATE kek_data SET deleted = (1 = 1) WHERE project_id IN (SELECT id FROM projects WHERE external_id = 'green')",
    );
  });
  afterAll(async () => {
    await barbican?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    token?.[Symbol.dispose]();
  });

  /** Every secret, through the API, is what was stored. */
  const readAll = async (): Promise<void> => {
    for (const [ref, { project, text }] of secrets)
      expect(await barbican.readSecret(project, ref)).toBe(text);
  };
  const run = (...words: readonly string[]) =>
    runClavigerd(["barbican", ...words, "--config", barbican.config], barbican.environment);
  const report = async (...words: readonly string[]): Promise<Report> =>
    JSON.parse((await run("rewrap", ...words, "--json")).stdout) as Report;

  test.skipIf(lacks)("is planned, while the keys to move to are not made", async () => {
    const { status, stdout } = await run("plan", ...TO_NEW);
    expect([status, stdout]).toEqual([3, expect.stringContaining(`no MKEK labelled ${NEW.mkek}`)]);
    expect(stdout).toContain("3 project keys move, 0 are there.");
    expect(stdout).toContain(`clavigerd hsm gen-mkek --config ${barbican.config} --label ${NEW.mkek}`);
    expect(stdout).toContain(`mkek_label = ${NEW.mkek}`);
    expect((await run("rewrap", ...TO_NEW)).status).toBe(3);
    await readAll();
  });

  test.skipIf(lacks)("is tried without a write", async () => {
    const make = (verb: string, label: string) =>
      runClavigerd(["hsm", verb, "--config", barbican.config, "--label", label], barbican.environment);
    expect(await make("gen-mkek", NEW.mkek)).toMatchObject({ status: 0 });
    expect(await make("gen-hmac", NEW.hmac)).toMatchObject({ status: 0 });
    expect((await run("plan", ...TO_NEW)).status).toBe(0);
    const before = barbican.sql("SELECT id, plugin_meta, updated_at FROM kek_data ORDER BY id");
    const { status, stdout } = await run("rewrap", ...TO_NEW, "--dry-run");
    expect([status, stdout]).toEqual([0, expect.stringContaining("Every project key would move.")]);
    expect(barbican.sql("SELECT id, plugin_meta, updated_at FROM kek_data ORDER BY id")).toEqual(before);
  });

  test.skipIf(lacks)(
    "is moved under traffic, and gives its secrets before and after it was restarted",
    async () => {
      let isMoved = false;
      const reading = (async () => {
        while (!isMoved) await readAll();
      })();
      const { rows, census } = await report(...TO_NEW);
      isMoved = true;
      await reading;
      expect(rows).toMatchObject({ moved: 3, failed: 0, left: 0 });
      const under = { mkekLabel: NEW.mkek, hmacLabel: NEW.hmac, mechanism: "CKM_AES_CBC_PAD" };
      expect(census.after).toEqual([
        { ...under, state: "active", rows: 2 },
        { ...under, state: "soft-deleted", rows: 1 },
      ]);
      await readAll();
      await barbican.restart();
      await readAll();
    },
  );

  test.skipIf(lacks)(
    "that was not restarted adds a row under its old labels, which the next run moves",
    async () => {
      secrets.set(await barbican.storeSecret("late", "one more"), { project: "late", text: "one more" });
      const needed = await run("retire-check", "--mkek", OLD.mkek);
      expect([needed.status, needed.stdout]).toEqual([
        1,
        expect.stringContaining("1 project key in the database"),
      ]);
      await barbican.restart(NEW);
      expect((await report()).rows).toMatchObject({ moved: 1, already: 3, failed: 0, left: 0 });
      await readAll();
      const free = await run("retire-check", "--mkek", OLD.mkek, "--hmac", OLD.hmac);
      expect([free.status, free.stdout]).toEqual([0, "Nothing in the database needs it.\n"]);
    },
  );

  test.skipIf(lacks)("opens whole, and what does not open is named", async () => {
    const whole = await run("verify", "--secrets");
    expect([whole.status, whole.stdout]).toEqual([0, expect.stringContaining("7 of 7 secrets open.")]);
    expect(whole.stdout).toContain("4 of 4 project keys open.");
    barbican.sql(
      "UPDATE kek_data SET plugin_meta = replace(plugin_meta, 'mkek_2026', 'mkek_gone') WHERE project_id IN (SELECT id FROM projects WHERE external_id = 'blue')",
    );
    const broken = await run("verify", "--secrets");
    expect(broken.status).toBe(1);
    expect(broken.stdout).toContain("3 of 4 project keys open.");
    expect(broken.stdout).toMatch(/project blue +mkek-missing/);
    expect(broken.stdout).toContain("5 of 7 secrets open.");
  });
});
