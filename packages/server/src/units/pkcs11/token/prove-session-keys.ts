import { hash } from "node:crypto";
import { CKA, CKM } from "./cryptoki.ts";
import { KEK_IN_TRANSIT, masterKeyPair, NEW_KEK } from "./key-templates.ts";
import { KEY_WRAP } from "./known-answers.ts";
import type { ObjectHandle, Template } from "./module.ts";
import { template } from "./module.ts";
import { MAC_KEY } from "./probe-templates.ts";
import type { Bench, Proof } from "./proof.ts";
import { digestInput, digestOf, expectSame, expectSensitive, WrongAnswer } from "./proof.ts";

/* How keys live in a token: made there, kept there, used through copies, and known by their digests. */

/** Keys as the unit makes them, but for the session that they go with. */
export const SESSION_KEYS_PROOF: Proof = {
  name: "session-keys",
  title: "Makes keys that stay inside",
  mechanisms: [CKM.AES_KEY_GEN, CKM.GENERIC_SECRET_KEY_GEN],
  run: (bench) => {
    const { module, session } = bench;
    expectSensitive(bench, "a new KEK", module.generateKey(session, CKM.AES_KEY_GEN, NEW_KEK), true);
    for (const isClonable of [true, false]) {
      const { wrapping, mac } = newPair(bench, isClonable);
      expectSensitive(bench, "a new wrapping key", wrapping, isClonable);
      expectSensitive(bench, "a new MAC key", mac, isClonable);
    }
  },
};

/** A copy for use gives up what its original may; a copy under another name and id is how OLD is recalled. */
export const SESSION_COPIES_PROOF: Proof = {
  name: "session-copies",
  title: "Copies of keys (C_CopyObject)",
  mechanisms: [CKM.AES_KEY_GEN, CKM.GENERIC_SECRET_KEY_GEN],
  run: (bench) => {
    const { module, session } = bench;
    for (const key of Object.values(newPair(bench, true))) {
      const inUse = module.copyObject(session, key, template({ TOKEN: false, EXTRACTABLE: false }));
      expectSensitive(bench, "a copy for use", inUse, false);
      expectSame("a copy for use", digestOf(bench, inUse), digestOf(bench, key));
      const renamed = { LABEL: "claviger probe", ID: Buffer.from("0102", "hex") };
      const copy = module.copyObject(session, key, template({ TOKEN: false, ...renamed }));
      expectSensitive(bench, "a renamed copy", copy, true);
      expectSame("a renamed copy", digestOf(bench, copy), digestOf(bench, key));
      const label = module.attribute(session, copy, CKA.LABEL).toString("utf8");
      if (label !== renamed.LABEL) throw new WrongAnswer("a copy has not the label that it was given");
      module.setAttributes(session, copy, template({ LABEL: "claviger" }));
    }
  },
};

export const DIGEST_KEY_PROOF: Proof = {
  name: "digest-key",
  title: "SHA-256 over keys (C_DigestKey)",
  mechanisms: [CKM.SHA256],
  run: (bench) => {
    const expected = hash("sha256", digestInput(KEY_WRAP.key), "buffer");
    const digests = (what: string, attributes: Template) =>
      expectSame(
        `the digest of ${what}`,
        digestOf(bench, bench.knownKey(KEY_WRAP.key, attributes)),
        expected,
      );
    digests("an AES key", KEK_IN_TRANSIT);
    digests("a generic secret", MAC_KEY);
  },
};

function newPair(
  { module, session }: Bench,
  isClonable: boolean,
): { readonly wrapping: ObjectHandle; readonly mac: ObjectHandle } {
  const { wrapping, mac } = masterKeyPair({ isClonable });
  return {
    wrapping: module.generateKey(session, CKM.AES_KEY_GEN, template({ ...wrapping, TOKEN: false })),
    mac: module.generateKey(session, CKM.GENERIC_SECRET_KEY_GEN, template({ ...mac, TOKEN: false })),
  };
}
