import { createPrivateKey } from "node:crypto";
import { expect, test } from "vitest";
import type { UnitAddress, Vp } from "../../packages/server/src/core/ids.ts";
import type { CloneForm } from "../../packages/server/src/core/unit/crypto-unit.ts";
import { ABILITIES } from "../../packages/server/src/units/software/abilities.ts";
import { unwrapFromPeer } from "../../packages/server/src/units/software/master-key-clone.ts";
import importWrap from "./import-wrap.json" with { type: "json" };
import vectors from "./master-key-clone.json" with { type: "json" };

/*
 * Master keys on their way (docs/wrapped-key-format.md §10). The vectors were made from that page with OpenSSL and Python, and
 * never change.
 */
const key = createPrivateKey({
  key: Buffer.from(importWrap.privateKey.pkcs8, "hex"),
  format: "der",
  type: "pkcs8",
});

const routeIn = (form: CloneForm) => ({
  sender: vectors.sender as UnitAddress,
  recipient: vectors.recipient as UnitAddress,
  request: { type: "WK", register: "NEW", vp: vectors.vp as Vp, form } as const,
});

test.each(ABILITIES.cloneForms)("form %s opens to the master key", (form) => {
  const { vp, pair } = unwrapFromPeer(Buffer.from(vectors.forms[form], "hex"), key, routeIn(form));
  expect([vp, pair.wrapping.export().toString("hex"), pair.mac.export().toString("hex")]).toEqual([
    vectors.vp,
    vectors.wrappingKey,
    vectors.macKey,
  ]);
});

test.each(ABILITIES.cloneForms)("form %s opens in no other form", (form) => {
  const wrapped = Buffer.from(vectors.forms[form], "hex");
  for (const other of ABILITIES.cloneForms.filter((each) => each !== form))
    expect(() => unwrapFromPeer(wrapped, key, routeIn(other))).toThrow("does not open");
});
