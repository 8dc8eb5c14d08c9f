import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { flipped } from "../../../../../test/contracts/crypto-unit-contract.ts";
import { generateMasterKeyPair } from "../../core/crypto/master-key-pair.ts";
import { verificationPattern } from "../../core/crypto/verification-pattern.ts";
import { DEFAULT_TYPE } from "../../core/ids.ts";
import type { UnitAddress, Vp } from "../../core/ids.ts";
import type { CloneRoute } from "../../core/crypto/master-key-clone.ts";
import { readPublicKey, unwrapFromPeer, wrapForPeer } from "./master-key-clone.ts";

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 3072 });
const der = publicKey.export({ format: "der", type: "spki" });
const pair = generateMasterKeyPair();
const vp = verificationPattern(DEFAULT_TYPE, pair);
const route: CloneRoute = {
  sender: "01.0000" as UnitAddress,
  recipient: "02.0000" as UnitAddress,
  request: { type: DEFAULT_TYPE, register: "NEW", vp, form: "1" },
};

test("a master key arrives as it was sent", () => {
  const arrived = unwrapFromPeer(wrapForPeer(pair, der, route), privateKey, route);
  expect(arrived.vp).toBe(vp);
  expect(arrived.pair.wrapping.equals(pair.wrapping) && arrived.pair.mac.equals(pair.mac)).toBe(true);
});

test("opens for no other sender, recipient, type, register or pattern", () => {
  const wrapped = wrapForPeer(pair, der, route);
  const other: CloneRoute[] = [
    { ...route, sender: "03.0000" as UnitAddress },
    { ...route, recipient: "03.0000" as UnitAddress },
    { ...route, request: { ...route.request, type: "AES" } },
    { ...route, request: { ...route.request, register: "CURRENT" } },
    { ...route, request: { ...route.request, vp: "00".repeat(32) as Vp } },
  ];
  for (const each of other) expect(() => unwrapFromPeer(wrapped, privateKey, each)).toThrow("does not open");
  expect(() => unwrapFromPeer(flipped(wrapped, 100), privateKey, route)).toThrow("does not open");
});

test("refuses another master key than the request names, whoever wrapped it", () => {
  const wrapped = wrapForPeer(generateMasterKeyPair(), der, route);
  expect(() => unwrapFromPeer(wrapped, privateKey, route)).toThrow("another pattern");
});

test("takes RSA keys of 3072 bits or more, and no others", () => {
  const spki = { format: "der", type: "spki" } as const;
  const short = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export(spki);
  const curve = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export(spki);
  expect(readPublicKey(der).equals(publicKey)).toBe(true);
  for (const bad of [short, curve]) expect(() => readPublicKey(bad)).toThrow("RSA keys of 3072 bits");
  expect(() => readPublicKey(new Uint8Array(0))).toThrow("not a DER SubjectPublicKeyInfo");
});
