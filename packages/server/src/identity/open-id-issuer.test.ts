import { afterEach, expect, test } from "vitest";
import { HandMadeIssuer } from "../../../../test/sign-in/hand-made-issuer.ts";
import { systemClock } from "../core/clock.ts";
import type { Failure } from "../core/errors.ts";
import { isFetchable } from "./bounded-get.ts";
import { openIdIssuer } from "./open-id-issuer.ts";

/* What an issuer may answer, and what the daemon makes of it. */

const DISCOVERY = "/.well-known/openid-configuration";
const running: HandMadeIssuer[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one[Symbol.asyncDispose]();
});

async function issuerAndClient() {
  const issuer = await HandMadeIssuer.start();
  running.push(issuer);
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: issuer.issuer, sub: "anna", aud: "cli", iat: now, exp: now + 60, nonce: "n" };
  const client = (audience?: string) =>
    openIdIssuer({ issuer: issuer.issuer, clientId: "cli", audience, clock: systemClock });
  return { issuer, claims, client };
}

test("a token that is as it should be says who it is, and nothing is asked before there is one", async () => {
  const { issuer, claims, client } = await issuerAndClient();
  const openId = client();
  expect(issuer.asked).toEqual([]);
  expect(await openId.verify(await issuer.token(claims))).toEqual({
    issuer: issuer.issuer,
    subject: "anna",
    nonce: "n",
  });
  expect(issuer.asked).toEqual([DISCOVERY, "/keys"]);
});

test("where an audience is configured, tokens are for that one and for no other", async () => {
  const { issuer, claims, client } = await issuerAndClient();
  const openId = client("keys");
  const refused = openId.verify(await issuer.token(claims));
  await expect(refused).rejects.toMatchObject({ code: "sign-in-refused" });
  const token = await issuer.token({ ...claims, aud: ["keys", "cli"], azp: "cli" });
  expect(await openId.verify(token)).toMatchObject({ subject: "anna" });
});

type Answer = Parameters<HandMadeIssuer["instead"]["set"]>[1];
const json =
  (document: unknown, status = 200): Answer =>
  (_, response) =>
    response.writeHead(status).end(JSON.stringify(document));

test.for<[string, (issuer: string) => readonly [string, Answer]]>([
  ["no discovery document", () => [DISCOVERY, json({}, 404)]],
  ["a discovery document that is no JSON", () => [DISCOVERY, (_, response) => response.end("<html>")]],
  [
    "the discovery document of another issuer",
    (issuer) => [DISCOVERY, json({ issuer: "https://id.example.org", jwks_uri: `${issuer}/keys` })],
  ],
  ["no place of keys", (issuer) => [DISCOVERY, json({ issuer })]],
  ["keys over plain HTTP", (issuer) => [DISCOVERY, json({ issuer, jwks_uri: "http://keys.example.org/" })]],
  ["keys in a file", (issuer) => [DISCOVERY, json({ issuer, jwks_uri: "file:///etc/passwd" })]],
  [
    "a redirect of its keys",
    (issuer) => ["/keys", (_, response) => response.writeHead(302, { location: `${issuer}/other` }).end()],
  ],
  ["keys that are none", () => ["/keys", json({ keys: "none" })]],
  ["keys that are no JSON", () => ["/keys", (_, response) => response.end("{")]],
  ["keys that do not end", () => ["/keys", (_, response) => response.end(" ".repeat(300_000))]],
  ["keys that are cut off", () => ["/keys", (_, response) => response.write("{", () => response.destroy())]],
  ["keys that do not come", () => ["/keys", () => undefined]],
])("an issuer with %s is unavailable, and the reason is not told", async ([, misbehave]) => {
  const { issuer, claims, client } = await issuerAndClient();
  issuer.instead.set(...misbehave(issuer.issuer));
  const openId = client();
  const idToken = await issuer.token(claims);
  await expect(openId.verify(idToken)).rejects.toMatchObject({
    code: "identity-provider-unavailable",
    message: "The issuer, or its keys, cannot be had.",
  });
  expect(issuer.asked).not.toContain("/other");
  issuer.instead.clear();
  expect(await openId.verify(idToken)).toMatchObject({ subject: "anna" });
});

test("when its keys are not there any more, it is asked anew where they are", async () => {
  const { issuer, claims, client } = await issuerAndClient();
  const openId = client();
  await openId.verify(await issuer.token(claims));
  await issuer.rotate("ES256");
  issuer.instead.set("/keys", json({}, 410));
  await expect
    .poll(async () => openId.verify(await issuer.token(claims)).catch((error: Failure) => error.code), {
      timeout: 30_000,
    })
    .toBe("identity-provider-unavailable");
  issuer.instead.set(DISCOVERY, json({ issuer: issuer.issuer, jwks_uri: `${issuer.issuer}/moved` }));
  issuer.instead.set("/moved", json({ keys: [issuer.publishedKey] }));
  expect(await openId.verify(await issuer.token(claims))).toMatchObject({ subject: "anna" });
});

test.for([
  ["https://id.example.org/keys", true],
  ["http://127.0.0.1:8080/keys", true],
  ["http://localhost/keys", true],
  ["http://[::1]:1/keys", true],
  ["http://id.example.org/keys", false],
  ["http://127.0.0.1.example.org/keys", false],
  ["https://user:password@id.example.org/keys", false],
  ["ftp://id.example.org/keys", false],
] as const)("whether %s may be asked: %s", ([url, may]) => {
  expect(isFetchable(new URL(url))).toBe(may);
});
