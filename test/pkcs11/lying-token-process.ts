import { readFileSync } from "node:fs";
import { CKA, CKM } from "../../packages/server/src/units/pkcs11/token/cryptoki.ts";
import { NEW_KEK } from "../../packages/server/src/units/pkcs11/token/key-templates.ts";
import type { Pkcs11Module } from "../../packages/server/src/units/pkcs11/token/module.ts";
import { template, TokenError } from "../../packages/server/src/units/pkcs11/token/module.ts";
import { probe } from "../../packages/server/src/units/pkcs11/token/probe.ts";
import { flipped } from "../../packages/server/src/units/pkcs11/token/proof.ts";
import { TokenSession } from "../../packages/server/src/units/pkcs11/token/token-session.ts";

/*
 * A process that probes a real token whose answers are changed on their way: its arguments are the module, the label and
 * the lie, its standard input is the PIN, and it prints what was found.
 */

const CKR_DEVICE_ERROR = 0x30;

/** What the token gives, or this if it refuses. */
const always = <Result>(work: () => Result, instead: () => Result): Result => {
  try {
    return work();
  } catch (error) {
    if (error instanceof TokenError) return instead();
    throw error;
  }
};
const changed = (bytes: Buffer): Buffer => flipped(bytes, 0);

const LIES: Readonly<Record<string, (module: Pkcs11Module) => void>> = {
  encrypts: (module) => {
    const encrypt = module.encrypt.bind(module);
    module.encrypt = (...given) => changed(encrypt(...given));
  },
  "decrypts anything": (module) => {
    const decrypt = module.decrypt.bind(module);
    module.decrypt = (...given) =>
      always(
        () => decrypt(...given),
        () => Buffer.alloc(0),
      );
  },
  "fails at what it cannot decrypt": (module) => {
    const decrypt = module.decrypt.bind(module);
    const fail = (): never => {
      throw new TokenError("C_Decrypt", CKR_DEVICE_ERROR);
    };
    module.decrypt = (...given) => always(() => decrypt(...given), fail);
  },
  signs: (module) => {
    const sign = module.sign.bind(module);
    module.sign = (...given) => changed(sign(...given));
  },
  digests: (module) => {
    const digest = module.digest.bind(module);
    module.digest = (...given) => changed(digest(...given));
  },
  "unwraps anything": (module) => {
    const unwrap = module.unwrap.bind(module);
    module.unwrap = (session, ...given) =>
      always(
        () => unwrap(session, ...given),
        () => module.generateKey(session, CKM.AES_KEY_GEN, NEW_KEK),
      );
  },
  "keeps nothing sensitive": (module) => {
    const isSet = module.isSet.bind(module);
    module.isSet = (session, object, type) => type !== CKA.SENSITIVE && isSet(session, object, type);
  },
  "shows values": (module) => {
    const attribute = module.attribute.bind(module);
    module.attribute = (session, object, type) =>
      type === CKA.VALUE ? Buffer.alloc(32, 1) : attribute(session, object, type);
  },
  "copies what may be wrapped": (module) => {
    const copyObject = module.copyObject.bind(module);
    module.copyObject = (session, object) => copyObject(session, object, template({ TOKEN: false }));
  },
  "draws the same": (module) => {
    module.random = (_session, lengthBytes) => Buffer.alloc(lengthBytes, "0123456789abcdef");
  },
};

const [path = "", label = "", lie = ""] = process.argv.slice(2);
const token = new TokenSession({ path }, { label }, readFileSync(0), () => {});
token.open();
LIES[lie]?.(token.module);
process.stdout.write(JSON.stringify(probe(token, Date.now(), () => {})));
token.close();
