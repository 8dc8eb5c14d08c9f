import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isWithout } from "../set-up/without.ts";
import type { Scene, SceneToken } from "./rewrap-scene.ts";
import { newScene, sceneToken } from "./rewrap-scene.ts";

/* `clavigerd barbican rewrap` as an operator runs it: exit status, what it says, and the report for auditors. */

interface Report {
  readonly ended: string;
  readonly what: string;
  readonly rows: Readonly<Record<string, number | null>>;
  readonly failures: readonly { readonly id: string; readonly refused: string; readonly state: string }[];
  readonly census: { readonly before: readonly unknown[]; readonly after: readonly unknown[] | null };
}

const openssl = (...args: readonly string[]): boolean =>
  spawnSync("openssl", args, { stdio: "ignore" }).status === 0;

describe.skipIf(isWithout("softhsm2"))("clavigerd barbican rewrap", () => {
  let at: SceneToken;
  beforeAll(() => {
    at = sceneToken();
  });
  afterAll(() => at?.[Symbol.dispose]());
  const scene = (movable = 200): Promise<Scene> => newScene({ ...at, movable });

  const expected = ({ rows }: Scene) => {
    const { movable: moved, already, unbound, failed } = rows.counts;
    return { moved, already, unbound, changedMeanwhile: 0, failed };
  };
  const idsOf = (named: Report["failures"] | Scene["rows"]["failures"]) =>
    named.map(({ id, refused }) => `${id} ${refused}`).toSorted();

  test("moves what can be moved, names the rest with the reason, and ends with 1", async () => {
    await using barbican = await scene();
    const { rows } = barbican;
    const ran = await barbican.run("rewrap");
    expect(ran).toMatchObject({ status: 1, stderr: "" });
    const { movable, already, unbound, failed } = rows.counts;
    expect(ran.stdout).toContain(
      `${movable} project keys moved to MKEK neu, HMAC key neu, CKM_AES_KEY_WRAP_PAD; ${already} were there already.`,
    );
    expect(ran.stdout).toContain(`${unbound} rows have no key yet`);
    expect(ran.stdout).toContain(`${failed} were not moved:`);
    for (const { id, refused } of rows.failures)
      expect(ran.stdout).toMatch(new RegExp(`${id} .* ${refused} `));
    expect(ran.stdout).toMatch(new RegExp(`\\n${failed} project keys are not under the target.\\n$`));
    expect(await rows.check()).toEqual({ moved: movable });
    expect(await barbican.secretIn(ran.stdout)).toBeUndefined();
  });

  test("that is dry says the same and writes nothing", async () => {
    await using barbican = await scene();
    const before = await barbican.rows.read();
    const ran = await barbican.run("rewrap", "--dry-run", "--json");
    expect(ran).toMatchObject({ status: 1, stderr: "" });
    const report = JSON.parse(ran.stdout) as Report;
    expect(report).toMatchObject({ what: "dry-run", ended: "complete", rows: expected(barbican) });
    expect(idsOf(report.failures)).toEqual(idsOf(barbican.rows.failures));
    expect(await barbican.rows.read()).toEqual(before);
    expect(await barbican.secretIn(ran.stdout)).toBeUndefined();
  });

  test.for([
    ["Ed25519", ["genpkey", "-algorithm", "ed25519"], ["-rawin"]],
    [
      "EC P-256",
      ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
      ["-rawin", "-digest", "sha256"],
    ],
  ] as const)("writes a report that openssl verifies by %s", async ([, make, how]) => {
    await using barbican = await scene(20);
    const [key, publicKey, file] = ["key.pem", "public.pem", "report.json"].map((name) =>
      join(barbican.folder, name),
    ) as [string, string, string];
    expect(openssl(...make, "-out", key)).toBe(true);
    expect(openssl("pkey", "-in", key, "-pubout", "-out", publicKey)).toBe(true);
    const ran = await barbican.run("rewrap", "--report", file, "--sign-key", key, "--json");
    expect(ran).toMatchObject({ status: 1, stderr: "" });
    const text = readFileSync(file, "utf8");
    expect(text).toBe(ran.stdout);
    const report = JSON.parse(text) as Report;
    const { failed, already, movable, unbound } = barbican.rows.counts;
    expect(report).toMatchObject({
      what: "rewrap",
      ended: "complete",
      failure: null,
      configuration: [barbican.conf],
      database: { kind: "SQLite" },
      token: { label: "barbican", serial: barbican.token.serial, manufacturer: "SoftHSM project" },
      rows: { ...expected(barbican), left: failed },
      failuresNotNamed: 0,
    });
    expect(idsOf(report.failures)).toEqual(idsOf(barbican.rows.failures));
    const sum = (lines: readonly unknown[] | null) =>
      (lines as readonly { readonly rows: number }[]).reduce((total, { rows }) => total + rows, 0);
    const all = failed + already + movable + unbound;
    expect([sum(report.census.before), sum(report.census.after)]).toEqual([all, all]);
    const verify = [
      "pkeyutl",
      "-verify",
      "-pubin",
      "-inkey",
      publicKey,
      ...how,
      "-sigfile",
      `${file}.sig`,
      "-in",
    ];
    expect(openssl(...verify, file)).toBe(true);
    expect(openssl(...verify, barbican.conf)).toBe(false);
    expect(await barbican.secretIn(text)).toBeUndefined();
  });

  test("that is run again moves nothing and changes no row", async () => {
    await using barbican = await scene();
    await barbican.run("rewrap");
    const after = await barbican.rows.read();
    const { stdout, status } = await barbican.run("rewrap", "--json");
    const { movable, already } = barbican.rows.counts;
    expect(JSON.parse(stdout)).toMatchObject({ rows: { moved: 0, already: movable + already } });
    expect(status).toBe(1);
    expect(await barbican.rows.read()).toEqual(after);
  });

  test("ends with 0 where everything is moved", async () => {
    await using barbican = await scene(30);
    await barbican.run("rewrap");
    for (const { id } of barbican.rows.failures)
      await barbican.place.run(`DELETE FROM kek_data WHERE id = '${id}'`);
    const ran = await barbican.run("rewrap");
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    expect(ran.stdout).toMatch(/\nEvery project key is under the target\.\n$/);
  });

  /** Each begins with nothing done, and ends with 3. */
  const preconditions: readonly (readonly [
    what: string,
    options: Readonly<Record<string, string>>,
    flags: readonly string[],
    says: RegExp,
  ])[] = [
    [
      "the target's MKEK is missing",
      {},
      ["--mkek-label", "nirgends"],
      /no key labelled nirgends that is an MKEK/,
    ],
    [
      "two keys have the label of the target",
      {},
      ["--mkek-label", "doppelt"],
      /more than one key labelled doppelt/,
    ],
    [
      "the target's HMAC key is missing",
      {},
      ["--hmac-label", "nirgends"],
      /no key labelled nirgends that is an HMAC key/,
    ],
    [
      "the HMAC key has another type",
      { hmac_key_type: "CKK_AES" },
      ["--hmac-label", "vhmac"],
      /HMAC key \(CKK_AES\)/,
    ],
    [
      "the token does not wrap by the mechanism",
      {},
      ["--key-wrap-mechanism", "CKM_AES_CBC_PAD"],
      /does not wrap by CKM_AES_CBC_PAD/,
    ],
    [
      "barbican.conf names another token",
      { token_labels: "woanders" },
      ["--hosts", "1"],
      /no such token is present/,
    ],
    [
      "barbican.conf names a module that is none",
      { library_path: "/etc/passwd" },
      [],
      /the token cannot be opened/,
    ],
    ["the PIN is wrong", { login: "falsch-und-geheim" }, ["--hosts", "4"], /PIN/],
    ["the database is not there", { connection: "sqlite:////nirgends/barbican.sqlite" }, [], /ENOENT/],
  ];
  test("does nothing and ends with 3 where it cannot begin", async () => {
    await using barbican = await scene(20);
    const before = await barbican.rows.read();
    const report = join(barbican.folder, "report.json");
    writeFileSync(report, "of an earlier run");
    for (const [what, options, flags, says] of preconditions) {
      barbican.configure(options);
      const logins = at.shim.calls("C_Login");
      const ran = await barbican.run("rewrap", "--report", report, ...flags);
      expect(ran, what).toMatchObject({
        status: 3,
        stdout: "",
        stderr: expect.stringMatching(says) as string,
      });
      expect(ran.stderr).not.toContain("falsch-und-geheim");
      if (what === "the PIN is wrong") expect(at.shim.calls("C_Login")).toBe(logins + 1);
      expect(await barbican.secretIn(ran.stderr)).toBeUndefined();
    }
    expect(await barbican.rows.read()).toEqual(before);
    expect(readFileSync(report, "utf8")).toBe("of an earlier run");
  });
});
