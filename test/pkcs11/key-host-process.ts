import type { ImportAlgorithm } from "../../packages/server/src/core/crypto/import-wrap.ts";
import type {
  MessageType,
  SignatureAlgorithm,
  SigningSpec,
} from "../../packages/server/src/core/crypto/signature-algorithms.ts";
import type { SealedPayload } from "../../packages/server/src/core/unit/crypto-unit.ts";
import { CKA, CKO } from "../../packages/server/src/units/pkcs11/token/cryptoki.ts";
import { TokenImportKeys } from "../../packages/server/src/units/pkcs11/token/import-keys.ts";
import { KEK_IN_USE } from "../../packages/server/src/units/pkcs11/token/key-templates.ts";
import { TokenMaterials } from "../../packages/server/src/units/pkcs11/token/materials.ts";
import type { ObjectHandle } from "../../packages/server/src/units/pkcs11/token/module.ts";
import { template } from "../../packages/server/src/units/pkcs11/token/module.ts";
import type { OpenedMaterial } from "../../packages/server/src/units/pkcs11/token/opened-material.ts";
import type { OpenedSigningKey } from "../../packages/server/src/units/pkcs11/token/signing-keys.ts";
import { TokenSigningKeys } from "../../packages/server/src/units/pkcs11/token/signing-keys.ts";
import type { TokenSession } from "../../packages/server/src/units/pkcs11/token/token-session.ts";
import { serveToken } from "./serve-token.ts";

/*
 * A process that uses the keys of one token as its parent says, one thing after another: `key-host.ts` starts it. The native
 * module of a token never runs in the process of a test.
 */

export type Operations = ReturnType<typeof operationsOn>;

function operationsOn(token: TokenSession, kwp: number) {
  const { module } = token;
  const materials = new TokenMaterials(token, kwp);
  const signing = new TokenSigningKeys(token, kwp);
  const imports = new TokenImportKeys(token, kwp);
  const keks = table<ObjectHandle>();
  const opened = table<OpenedMaterial>();
  const signingKeys = table<OpenedSigningKey>();
  const createKek = (VALUE: Uint8Array): ObjectHandle =>
    module.createObject(token.session, [...KEK_IN_USE, ...template({ VALUE })]);
  return {
    /** A KEK whose value the test knows. */
    kek: (value: Uint8Array): number => keks.add(createKek(value)),
    /** Under the number that it had. */
    reopenKek: (kek: number, value: Uint8Array): void => keks.put(kek, createKek(value)),
    closeKek: (kek: number): void => module.destroyObject(token.session, keks.take(kek)),
    generate: (kek: number): Uint8Array => materials.generate(keks.at(kek)),
    open: (kek: number, wrapped: Uint8Array): number =>
      opened.add(materials.open(() => keks.at(kek), wrapped)),
    /** The plaintext is copied here and the data below, so that none at all is without an address, as anybody's may be. */
    encrypt: (material: number, plaintext: Uint8Array, aad: Uint8Array): SealedPayload =>
      materials.encrypt(opened.at(material), Uint8Array.from(plaintext), aad),
    decrypt: (material: number, payload: SealedPayload, aad: Uint8Array): Uint8Array =>
      materials.decrypt(opened.at(material), payload, aad),
    mac: (material: number, data: Uint8Array): Uint8Array =>
      materials.mac(opened.at(material), Uint8Array.from(data)),
    random: (lengthBytes: number): Uint8Array => materials.random(lengthBytes),
    close: (material: number): void => materials.close(opened.take(material)),
    generateKeyPair: (kek: number, spec: SigningSpec) => signing.generateKeyPair(keks.at(kek), spec),
    openSigningKey: (kek: number, spec: SigningSpec, wrapped: Uint8Array): number =>
      signingKeys.add(signing.open(keks.at(kek), spec, wrapped)),
    sign: (key: number, algorithm: SignatureAlgorithm, message: Uint8Array, type?: MessageType) =>
      signing.sign(signingKeys.at(key), algorithm, message, type),
    closeSigningKey: (key: number): void => signing.close(signingKeys.take(key)),
    createImportKey: (kek: number) => imports.create(keks.at(kek)),
    importMaterial: (
      kek: number,
      importKey: Uint8Array,
      algorithm: ImportAlgorithm,
      wrapped: Uint8Array,
    ): Uint8Array => imports.importMaterial(keks.at(kek), { importKey, algorithm, wrapped }),
    /** Of every key that is a session object, in words, sorted. */
    sessionKeys: (): readonly string[] =>
      [CKO.SECRET_KEY, CKO.PRIVATE_KEY, CKO.PUBLIC_KEY]
        .flatMap((CLASS) => module.find(token.session, template({ CLASS, TOKEN: false }), 1000))
        .map((key) => wordsOf(token, key))
        .toSorted(),
  };
}

function wordsOf({ module, session }: TokenSession, key: ObjectHandle): string {
  const is = (attribute: number) => module.isSet(session, key, attribute);
  if (!is(CKA.SENSITIVE)) return "readable";
  return is(CKA.EXTRACTABLE) ? "extractable" : "kept";
}

function table<Value>() {
  const held = new Map<number, Value>();
  let last = 0;
  const at = (number: number): Value => {
    const value = held.get(number);
    if (value === undefined) throw new RangeError(`nothing has the number ${number}`);
    return value;
  };
  return {
    add: (value: Value): number => {
      last += 1;
      held.set(last, value);
      return last;
    },
    put: (number: number, value: Value): void => void held.set(number, value),
    at,
    take: (number: number): Value => {
      const value = at(number);
      held.delete(number);
      return value;
    },
  };
}

serveToken((token, kwp) => ({ operations: operationsOn(token, kwp) }));
