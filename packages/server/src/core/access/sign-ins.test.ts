import { expect, test } from "vitest";
import { Failure } from "../errors.ts";
import { SignIns } from "./sign-ins.ts";

function signInsAt(startMs: number) {
  let nowMs = startMs;
  const signIns = new SignIns({ nowMs: () => nowMs, sleep: () => Promise.resolve() });
  return { signIns, pass: (ms: number) => (nowMs += ms) };
}

const codeOf = async (act: () => unknown): Promise<string> => {
  try {
    await act();
  } catch (error) {
    if (error instanceof Failure) return error.code;
    throw error;
  }
  return "";
};

test("a nonce is good once, and for ten minutes", async () => {
  const { signIns, pass } = signInsAt(1_000);
  const { nonce, expiresAtMs } = signIns.begin();
  expect(expiresAtMs).toBe(601_000);
  expect(nonce).toMatch(/^[\w-]{43}$/);
  signIns.use(nonce);
  expect(await codeOf(() => signIns.use(nonce))).toBe("sign-in-refused");
  const late = signIns.begin().nonce;
  pass(600_000);
  expect(await codeOf(() => signIns.use(late))).toBe("sign-in-refused");
});

test("more nonces than fit push the oldest out, and none of the others", async () => {
  const { signIns } = signInsAt(0);
  const nonces = Array.from({ length: 10_001 }, () => signIns.begin().nonce);
  const [first = "", second = ""] = nonces;
  expect(await codeOf(() => signIns.use(first))).toBe("sign-in-refused");
  signIns.use(second);
  signIns.use(nonces.at(-1) ?? "");
});

const fail = () => Promise.reject(new Failure("sign-in-refused"));

test("twenty failures at once, then one a second; what succeeds costs nothing", async () => {
  const { signIns, pass } = signInsAt(0);
  for (let i = 0; i < 100; i += 1) expect(await signIns.attempt(() => Promise.resolve(i))).toBe(i);
  for (let i = 0; i < 20; i += 1) expect(await codeOf(() => signIns.attempt(fail))).toBe("sign-in-refused");
  expect(await codeOf(() => signIns.attempt(() => Promise.resolve()))).toBe("rate-limited");
  pass(999);
  expect(await codeOf(() => signIns.attempt(fail))).toBe("rate-limited");
  pass(1);
  expect(await codeOf(() => signIns.attempt(fail))).toBe("sign-in-refused");
  expect(await codeOf(() => signIns.attempt(fail))).toBe("rate-limited");
  pass(3_600_000);
  for (let i = 0; i < 20; i += 1) expect(await codeOf(() => signIns.attempt(fail))).toBe("sign-in-refused");
  expect(await codeOf(() => signIns.attempt(fail))).toBe("rate-limited");
});

test("failures that are not the caller's are not held against anybody", async () => {
  const { signIns } = signInsAt(0);
  const away = () => Promise.reject(new Failure("identity-provider-unavailable"));
  for (let i = 0; i < 50; i += 1)
    expect(await codeOf(() => signIns.attempt(away))).toBe("identity-provider-unavailable");
});
