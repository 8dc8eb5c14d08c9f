import { createDecipheriv, hash } from "node:crypto";
import { randomNonce } from "../../../core/crypto/random.ts";
import type { KeyWrapFinding, KeyWrapKind } from "../token-facts.ts";
import { CKM } from "./cryptoki.ts";
import { KEK_IN_TRANSIT, KEK_IN_USE } from "./key-templates.ts";
import { KEY_WRAP, ODD_LENGTHS } from "./known-answers.ts";
import type { Mechanism, ObjectHandle } from "./module.ts";
import { template, TokenError } from "./module.ts";
import { MAC_KEY, SECRET_IN_TRANSIT } from "./probe-templates.ts";
import type { Bench, Proof } from "./proof.ts";
import {
  digestInput,
  digestOf,
  expectRefused,
  expectSame,
  expectSensitive,
  flipped,
  WrongAnswer,
} from "./proof.ts";

/*
 * Which mechanism is AES key wrap with padding (RFC 5649): the number does not tell. 0x210A is that in SoftHSM, and PKCS#7
 * padding in NSS and openCryptoki; the standard's own number, 0x210B, is missing in many.
 */

/** In the order of preference for `kwp`. */
const KEY_WRAP_MECHANISMS = [
  CKM.AES_KEY_WRAP_KWP,
  CKM.AES_KEY_WRAP_PAD,
  CKM.AES_KEY_WRAP,
  CKM.AES_CBC_PAD,
] as const;

const IV_BYTES = 16;
const LIMIT_BYTES = 128;

/**
 * What the mechanisms for key wrap are. One is `kwp` only if it wraps and unwraps so, refuses what was changed, and leaves
 * keys as sensitive as it is told. The first one is to be used.
 */
export function classifyKeyWrap(bench: Bench, listed: ReadonlySet<number>): readonly KeyWrapFinding[] {
  const kek = bench.knownKey(KEY_WRAP.kek, KEK_IN_USE);
  const key = bench.knownKey(KEY_WRAP.key, KEK_IN_TRANSIT);
  return KEY_WRAP_MECHANISMS.map((mechanism) => {
    try {
      const is = kindOf(bench, mechanism, kek, key);
      if (is === "kwp") proveUnwrapping(bench, mechanism, kek);
      return { mechanism, is, note: "" };
    } catch (error) {
      if (!(error instanceof TokenError || error instanceof WrongAnswer)) throw error;
      if (!listed.has(mechanism)) return { mechanism, is: "absent", note: "" };
      return { mechanism, is: "refused", note: error.message };
    }
  });
}

function kindOf(
  { module, session }: Bench,
  mechanism: number,
  kek: ObjectHandle,
  key: ObjectHandle,
): KeyWrapKind {
  const wrap = (by: Mechanism): Buffer => module.wrap(session, by, kek, key, LIMIT_BYTES);
  if (mechanism === CKM.AES_CBC_PAD) {
    const iv = Buffer.from(randomNonce(IV_BYTES));
    return isCbcPad(iv, wrap({ mechanism, parameter: iv })) ? "cbc-pad" : "unknown";
  }
  const wrapped = wrap(mechanism);
  if (wrapped.equals(KEY_WRAP.kwp)) return "kwp";
  if (wrapped.equals(KEY_WRAP.kw)) return "kw";
  return wrapped.equals(KEY_WRAP.pkcs7To8) || wrapped.equals(KEY_WRAP.pkcs7To16) ? "pkcs7-kw" : "unknown";
}

function isCbcPad(iv: Uint8Array, wrapped: Uint8Array): boolean {
  // Without its padding looked at, which may be anything.
  const cipher = createDecipheriv("aes-256-cbc", KEY_WRAP.kek, iv).setAutoPadding(false);
  const padded = Buffer.concat([KEY_WRAP.key, Buffer.alloc(IV_BYTES, IV_BYTES)]);
  return wrapped.byteLength === padded.byteLength && cipher.update(wrapped).equals(padded);
}

function proveUnwrapping(bench: Bench, mechanism: number, kek: ObjectHandle): void {
  const { module, session } = bench;
  const digest = hash("sha256", digestInput(KEY_WRAP.key), "buffer");
  for (const [what, attributes] of [
    ["an unwrapped KEK", KEK_IN_USE],
    ["an unwrapped MAC key", MAC_KEY],
  ] as const) {
    const unwrap = (blob: Uint8Array) => module.unwrap(session, mechanism, kek, blob, attributes);
    const key = unwrap(KEY_WRAP.kwp);
    expectSame(what, digestOf(bench, key), digest);
    expectSensitive(bench, what, key, false);
    for (let at = 0; at < KEY_WRAP.kwp.byteLength; at += 8)
      expectRefused("a wrapped key with one bit changed", () => unwrap(flipped(KEY_WRAP.kwp, at)));
  }
}

/** See `ODD_LENGTHS`. Keys of Claviger have 32 bytes; its private keys have any length. */
export const ODD_LENGTHS_PROOF: Proof = {
  name: "odd-lengths",
  title: "Wraps keys of any length",
  mechanisms: [],
  run: (bench) => {
    const { module, session } = bench;
    const kwp = bench.kwp();
    const kek = bench.knownKey(ODD_LENGTHS.kek, KEK_IN_USE);
    for (const { key, wrapped } of ODD_LENGTHS.keys) {
      const blob = module.wrap(session, kwp, kek, bench.knownKey(key, SECRET_IN_TRANSIT), LIMIT_BYTES);
      expectSame(`a wrapped key of ${key.byteLength} bytes`, blob, wrapped);
    }
  },
};

/** A key that is not extractable is not wrapped, and not made so by a copy. */
export const EXTRACTABLE_PROOF: Proof = {
  name: "extractable-enforced",
  title: "Keeps in what is not extractable",
  mechanisms: [],
  run: (bench) => {
    const { module, session } = bench;
    const kwp = bench.kwp();
    const kek = bench.knownKey(KEY_WRAP.kek, KEK_IN_USE);
    const key = bench.knownKey(KEY_WRAP.key, KEK_IN_USE);
    expectRefused("wrapping a key that is not extractable", () =>
      module.wrap(session, kwp, kek, key, LIMIT_BYTES),
    );
    expectRefused("making a key extractable by a copy", () =>
      module.copyObject(session, key, template({ TOKEN: false, EXTRACTABLE: true })),
    );
  },
};
