import { readFileSync, statSync, writeFileSync, chmodSync, existsSync } from "node:fs";
import { ClavigerClient } from "@claviger/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestDaemon } from "../daemon.ts";
import { startTestDaemon } from "../daemon.ts";
import { Browser } from "./browser.ts";
import { CommandLine } from "./command-line.ts";
import { CLIENT_ID, startProvider } from "./provider.ts";
import type { RunningProvider } from "./provider.ts";

/* People sign in: the real command line, a real issuer, the real daemon, and a browser that is the test. */

let provider: RunningProvider;
let daemon: TestDaemon;
let admin: ClavigerClient;
let line: CommandLine;

beforeAll(async () => {
  provider = await startProvider();
  daemon = await startTestDaemon({
    env: { CLAVIGER_OIDC_ISSUER: provider.issuer, CLAVIGER_OIDC_CLIENT_ID: CLIENT_ID },
  });
  admin = new ClavigerClient(daemon);
  line = new CommandLine(daemon.address);
});

afterAll(async () => {
  line[Symbol.dispose]();
  admin.close();
  await daemon[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
});

async function person(name: string, subject?: string): Promise<void> {
  await admin.principals.create({ name, kind: "person", grants: [{ role: "auditor" }] });
  if (subject !== undefined) await admin.principals.link(name, { issuer: provider.issuer, subject });
}

test("an identity that is not linked is told what an administrator has to type, and that is all it takes", async () => {
  await person("anna");
  const first = line.signIn();
  await new Browser().signIn(await first.url, "anna@example.org");
  const { status, stdout, stderr } = await first.ended;
  expect([status, stdout]).toEqual([1, ""]);
  expect(existsSync(line.keptTokens)).toBe(false);
  const command = /claviger (principal link NAME .*)\n/.exec(stderr)?.[1] ?? "";
  expect(command).toBe(`principal link NAME --issuer ${provider.issuer} --subject anna@example.org`);

  const { principals } = admin;
  await principals.link("anna", { issuer: provider.issuer, subject: "anna@example.org" });
  const second = line.signIn();
  expect(await new Browser().signIn(await second.url, "anna@example.org")).toContain(
    "Go back to the terminal",
  );
  const signedIn = await second.ended;
  expect(signedIn.stdout).toMatch(/^Signed in as anna until 20\d\d-/);
  expect(signedIn.status).toBe(0);
});

test("the token is kept for its address, for its owner only, and is an ordinary one that ends after eight hours", async () => {
  expect(statSync(line.keptTokens).mode & 0o777).toBe(0o600);
  const kept = JSON.parse(readFileSync(line.keptTokens, "utf8")) as Record<string, { tokenId: string }>;
  expect(Object.keys(kept)).toEqual([daemon.address]);
  const tokens = await admin.principals.listTokens("anna");
  const mine = tokens.find(({ id }) => id === kept[daemon.address]?.tokenId);
  expect(mine).toMatchObject({ label: "signed in", state: "valid" });
  const lifeMs = Date.parse(mine?.expiresAt ?? "") - Date.parse(mine?.createdAt ?? "");
  expect(Math.round(lifeMs / 1000)).toBe(8 * 3_600);
  expect((await line.run("principal", "show", "--json")).stdout).toContain('"name": "anna"');
});

test("a file of tokens that others can read is not used", async () => {
  chmodSync(line.keptTokens, 0o644);
  const { status, stderr } = await line.run("principal", "show");
  expect([status, stderr]).toEqual([2, expect.stringContaining("Others than its owner may read")]);
  chmodSync(line.keptTokens, 0o600);
});

test("signing out revokes the token and forgets it; signing out twice does no harm", async () => {
  const before = JSON.parse(readFileSync(line.keptTokens, "utf8")) as Record<string, { token: string }>;
  const out = await line.run("sign-out");
  expect([out.status, out.stdout]).toEqual([0, expect.stringContaining("Signed out")]);
  expect(existsSync(line.keptTokens)).toBe(false);
  using former = new ClavigerClient({ ...daemon, token: before[daemon.address]?.token ?? "" });
  await expect(former.principals.whoAmI()).rejects.toMatchObject({ code: "token-revoked" });
  expect((await line.run("sign-out")).stdout).toContain("Nobody is signed in");
  expect((await line.run("status")).stderr).toContain("claviger sign-in");
});

test("--json shows who signed in, and never the token", async () => {
  await person("berta", "berta@example.org");
  const started = line.signIn("--json");
  await new Browser().signIn(await started.url, "berta@example.org");
  const { stdout } = await started.ended;
  const { token } = (JSON.parse(readFileSync(line.keptTokens, "utf8")) as Record<string, { token: string }>)[
    daemon.address
  ] ?? { token: "" };
  expect(JSON.parse(stdout)).toMatchObject({ principal: { name: "berta" }, record: { label: "signed in" } });
  expect(token).toMatch(/^clv_/);
  expect(stdout).not.toContain(token);
  writeFileSync(line.keptTokens, "{}");
});

test("what comes back without the state of the sign-in changes nothing", async () => {
  const started = line.signIn();
  const url = new URL(await started.url);
  expect([...url.searchParams.keys()].toSorted()).toEqual([
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
  ]);
  expect(url.searchParams.get("code_challenge_method")).toBe("S256");
  const redirect = url.searchParams.get("redirect_uri") ?? "";
  expect(redirect).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/);
  for (const forged of ["", "?code=x&state=y", "?error=access_denied&state=y"])
    expect((await fetch(redirect + forged)).status).toBe(400);
  await new Browser().signIn(url.href, "berta@example.org");
  expect((await started.ended).stdout).toContain("Signed in as berta");
  await line.run("sign-out");
});

test("a refusal of the issuer is passed on", async () => {
  const started = line.signIn();
  await new Browser().abort(await started.url);
  const { status, stderr } = await started.ended;
  expect(stderr).toContain("access_denied");
  expect(status).toBe(1);
});

test("without an issuer there is no sign-in, and with one that is away only signing in fails", async () => {
  await using plain = await startTestDaemon();
  using there = new CommandLine(plain.address);
  const refused = await there.run("sign-in");
  expect([refused.status, refused.stderr]).toEqual([3, expect.stringContaining("no issuer")]);

  await using away = await startTestDaemon({
    env: { CLAVIGER_OIDC_ISSUER: "http://127.0.0.1:9", CLAVIGER_OIDC_CLIENT_ID: CLIENT_ID },
  });
  using elsewhere = new CommandLine(away.address);
  const failed = await elsewhere.run("sign-in");
  expect([failed.status, failed.stderr]).toEqual([6, expect.stringContaining("cannot be used")]);
  using client = new ClavigerClient({ ...away, retries: 0 });
  await expect(client.signIn("a.b.c")).rejects.toMatchObject({ code: "identity-provider-unavailable" });
  expect((await client.status()).ready).toBe(true);
});
