import { createHash } from "node:crypto";
import { ClavigerClient, ClavigerError } from "@claviger/sdk";
import { UnsecuredJWT, generateKeyPair } from "jose";
import type { JWTPayload } from "jose";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { TestDaemon } from "../daemon.ts";
import { startTestDaemon } from "../daemon.ts";
import { HandMadeIssuer } from "./hand-made-issuer.ts";

/* ID tokens of somebody who would like to be someone else, at the real daemon. */

const CLIENT_ID = "claviger-cli";
let issuer: HandMadeIssuer;
let daemon: TestDaemon;
let admin: ClavigerClient;
let anyone: ClavigerClient;
/** Of the daemon's log. */
let lines: string[];

beforeAll(async () => {
  issuer = await HandMadeIssuer.start();
});
afterAll(async () => {
  await issuer[Symbol.asyncDispose]();
});

// Failures are counted by the daemon, so that each test has one of its own.
beforeEach(async () => {
  lines = [];
  daemon = await startTestDaemon({ env: envOf(issuer), log: (line) => lines.push(line) });
  admin = new ClavigerClient(daemon);
  anyone = new ClavigerClient({ address: daemon.address, retries: 0 });
  await admin.principals.create({ name: "anna", kind: "person", grants: [{ role: "auditor" }] });
  await admin.principals.link("anna", { issuer: issuer.issuer, subject: "anna" });
});

afterEach(async () => {
  anyone.close();
  admin.close();
  await daemon[Symbol.asyncDispose]();
});

function envOf(of: HandMadeIssuer): Record<string, string> {
  return { CLAVIGER_OIDC_ISSUER: of.issuer, CLAVIGER_OIDC_CLIENT_ID: CLIENT_ID };
}

const seconds = (more = 0) => Math.floor(Date.now() / 1000) + more;

/** What the issuer says of anna, as it should be, with a nonce that the daemon has given out. */
async function claims(more: Record<string, unknown> = {}): Promise<JWTPayload> {
  const { nonce } = await anyone.beginSignIn();
  return {
    iss: issuer.issuer,
    sub: "anna",
    aud: CLIENT_ID,
    iat: seconds(),
    exp: seconds(60),
    nonce,
    ...more,
  };
}

async function outcome(idToken: string): Promise<string> {
  try {
    return (await anyone.signIn(idToken)).principal.name;
  } catch (error) {
    if (error instanceof ClavigerError) return error.code;
    throw error;
  }
}

test.for(["ES256", "RS256", "PS256", "EdDSA"])("takes a token that is signed with %s", async (alg) => {
  await using other = await HandMadeIssuer.start();
  await other.rotate(alg);
  await using there = await startTestDaemon({ env: envOf(other) });
  using boss = new ClavigerClient(there);
  await boss.principals.create({ name: "berta", kind: "person", grants: [{ role: "auditor" }] });
  await boss.principals.link("berta", { issuer: other.issuer, subject: "b" });
  const { nonce } = await boss.beginSignIn();
  const idToken = await other.token({
    iss: other.issuer,
    sub: "b",
    aud: CLIENT_ID,
    iat: seconds(),
    exp: seconds(60),
    nonce,
  });
  expect((await boss.signIn(idToken)).principal.name).toBe("berta");
});

test.for<[string, Record<string, unknown>]>([
  ["of another issuer", { iss: "https://id.example.org" }],
  ["for another client", { aud: "somebody-else" }],
  ["for several, without saying which asked for it", { aud: [CLIENT_ID, "somebody-else"] }],
  ["that another client asked for", { azp: "somebody-else" }],
  ["that has expired", { iat: seconds(-120), exp: seconds(-60) }],
  ["that does not expire", { exp: undefined }],
  ["of the future", { iat: seconds(600), exp: seconds(900) }],
  ["that was made too long ago", { iat: seconds(-3600), exp: seconds(3600) }],
  ["without a nonce", { nonce: undefined }],
  ["with a nonce of its own", { nonce: "mine" }],
  ["without a subject", { sub: undefined }],
  ["with a subject that is no text of one line", { sub: "anna\n" }],
])("refuses a token %s", async ([, more]) => {
  expect(await outcome(await issuer.token(await claims(more)))).toBe("sign-in-refused");
});

test("refuses a token without a signature, with another key's, and with a MAC by the public key", async () => {
  const said = await claims();
  expect(await outcome(new UnsecuredJWT(said).encode())).toBe("sign-in-refused");
  const { privateKey } = await generateKeyPair("ES256");
  expect(await outcome(await issuer.token(said, { key: privateKey }))).toBe("sign-in-refused");
  const mac = createHash("sha256").update(JSON.stringify(issuer.publishedKey)).digest();
  const macked = await issuer.token(said, { key: mac, header: { alg: "HS256" } });
  expect(await outcome(macked)).toBe("sign-in-refused");
  const right = await issuer.token(said);
  const [head = "", , signature = ""] = right.split(".");
  const root = Buffer.from(JSON.stringify({ ...said, sub: "root" })).toString("base64url");
  expect(await outcome([head, root, signature].join("."))).toBe("sign-in-refused");
  expect(await outcome(right)).toBe("anna");
});

test("a token is good for one sign-in, and a nonce for one too", async () => {
  const said = await claims();
  const idToken = await issuer.token(said);
  expect(await outcome(idToken)).toBe("anna");
  expect(await outcome(idToken)).toBe("sign-in-refused");
  expect(await outcome(await issuer.token({ ...said, iat: seconds(), exp: seconds(90) }))).toBe(
    "sign-in-refused",
  );
});

test("of two who come with one token at once, one is let in", async () => {
  const idToken = await issuer.token(await claims());
  expect((await Promise.all([outcome(idToken), outcome(idToken)])).toSorted()).toEqual([
    "anna",
    "sign-in-refused",
  ]);
});

test("a disabled person does not sign in, nor one whose identity was taken away", async () => {
  await admin.principals.disable("anna");
  expect(await outcome(await issuer.token(await claims()))).toBe("principal-disabled");
  await admin.principals.enable("anna");
  await admin.principals.unlink("anna");
  expect(await outcome(await issuer.token(await claims()))).toBe("identity-unknown");
  await admin.principals.link("anna", { issuer: issuer.issuer, subject: "anna" });
  expect(await outcome(await issuer.token(await claims()))).toBe("anna");
});

test("what an administrator has to type is quoted for a shell", async () => {
  const idToken = await issuer.token(await claims({ sub: "x'; rm -rf ~ #" }));
  await expect(anyone.signIn(idToken)).rejects.toMatchObject({
    code: "identity-unknown",
    message: expect.stringContaining(`--subject 'x'\\''; rm -rf ~ #'`) as unknown,
  });
});

test("the audit log has who signed in, and of a refused sign-in that it was refused", async () => {
  const { id } = await admin.principals.get("anna");
  const idToken = await issuer.token(await claims());
  expect(await outcome(idToken)).toBe("anna");
  expect(await outcome(idToken)).toBe("sign-in-refused");
  expect(await outcome("")).toBe("invalid-request");
  const records = await Array.fromAsync(admin.audit.all({ operation: "signIn" }));
  const said = records.map(({ outcome: came, principalId, principal, subject }) => [
    came,
    principalId ?? undefined,
    principal ?? undefined,
    subject ?? undefined,
  ]);
  expect(said).toEqual([
    ["invalid-request", undefined, undefined, undefined],
    ["sign-in-refused", undefined, undefined, undefined],
    ["allowed", id, "anna", id],
  ]);
  expect(JSON.stringify(records)).not.toContain(idToken);
  expect(await Array.fromAsync(admin.audit.all({ operation: "beginSignIn" }))).toEqual([]);
});

test("an identity is of one person only, and never of a service", async () => {
  const identity = { issuer: issuer.issuer, subject: "anna" };
  await admin.principals.create({ name: "twin", kind: "person", grants: [{ role: "auditor" }] });
  await expect(admin.principals.link("twin", identity)).rejects.toMatchObject({ code: "identity-taken" });
  await admin.principals.create({ name: "batch", grants: [{ role: "auditor" }] });
  const other = { ...identity, subject: "batch" };
  await expect(admin.principals.link("batch", other)).rejects.toMatchObject({
    code: "identity-needs-person",
  });
  expect((await admin.principals.get("anna")).identity).toEqual(identity);
  expect((await admin.principals.get("twin")).identity).toBe(null);
});

test("when the issuer rotates its key, the new one is taken after a while, and the one before no more", async () => {
  expect(await outcome(await issuer.token(await claims()))).toBe("anna");
  const former = await issuer.token(await claims());
  await issuer.rotate("RS256");
  await expect
    .poll(async () => outcome(await issuer.token(await claims())), { timeout: 60_000, interval: 2_000 })
    .toBe("anna");
  expect(await outcome(former)).toBe("sign-in-refused");
});

test("a failure is logged with its code and its reason, and neither with the token nor with what it says", async () => {
  const kept = await issuer.token(await claims({ email: "anna@example.org", aud: "somebody-else" }));
  await outcome(kept);
  await outcome(await issuer.token(await claims({ sub: "nobody-yet" })));
  const failures = lines.filter((line) => line.includes("A sign-in failed"));
  expect(failures.map((line) => JSON.parse(line) as object)).toMatchObject([
    { level: "warn", code: "sign-in-refused", reason: expect.stringContaining('"aud"') as unknown },
    { level: "warn", code: "identity-unknown", msg: expect.stringContaining("nobody-yet") as unknown },
  ]);
  expect(lines.join("")).not.toContain(kept.split(".")[1]);
  expect(lines.join("")).not.toContain("anna@example.org");
});

test("too many failures are refused before anything is looked at, and nobody else is disturbed", async () => {
  const idToken = await issuer.token(await claims({ aud: "somebody-else" }));
  const outcomes = await Promise.all(Array.from({ length: 60 }, () => outcome(idToken)));
  expect(new Set(outcomes)).toEqual(new Set(["sign-in-refused", "rate-limited"]));
  expect(outcomes.filter((one) => one === "rate-limited").length).toBeGreaterThan(20);
  expect((await admin.status()).ready).toBe(true);
});

test("the place of the keys and the keys are asked for once, not for every token", async () => {
  issuer.asked.length = 0;
  for (let times = 0; times < 5; times += 1)
    expect(await outcome(await issuer.token(await claims()))).toBe("anna");
  expect(issuer.asked).toEqual(["/.well-known/openid-configuration", "/keys"]);
});
