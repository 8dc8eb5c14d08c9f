import { HMAC_KEY_TYPES } from "../../packages/server/src/core/barbican/project-key.ts";
import type { HmacKeyType } from "../../packages/server/src/core/barbican/project-key.ts";
import { CKK, CKO } from "../../packages/server/src/units/pkcs11/token/cryptoki.ts";
import type { Attributes } from "../../packages/server/src/units/pkcs11/token/module.ts";
import { template } from "../../packages/server/src/units/pkcs11/token/module.ts";
import type { TokenToOpen } from "../pkcs11/inside-token.ts";
import { inside } from "../pkcs11/inside-token.ts";

/** A master key of a Barbican whose value is known. */
export interface KnownKey {
  readonly use: "mkek" | "hmac";
  readonly label: string;
  readonly value: Buffer;
  /** CKK_AES for an MKEK, CKK_GENERIC_SECRET for an HMAC key, if not given. */
  readonly type?: HmacKeyType;
  /** In place of Barbican's own. */
  readonly attributes?: Attributes;
}

/** Brings keys into a token with what Barbican's own may do (barbican/plugin/crypto/pkcs11.py, generate_key). */
export function importKeys(token: TokenToOpen, keys: readonly KnownKey[]): void {
  inside(token, (module, session) => {
    for (const { use, label, value, type, attributes } of keys) {
      const isMkek = use === "mkek";
      const uses = {
        ENCRYPT: isMkek,
        DECRYPT: isMkek,
        WRAP: isMkek,
        UNWRAP: isMkek,
        SIGN: !isMkek,
        VERIFY: !isMkek,
      };
      module.createObject(
        session,
        template({
          CLASS: CKO.SECRET_KEY,
          KEY_TYPE: type ? HMAC_KEY_TYPES[type] : isMkek ? CKK.AES : CKK.GENERIC_SECRET,
          VALUE: value,
          TOKEN: true,
          PRIVATE: true,
          SENSITIVE: true,
          EXTRACTABLE: false,
          ...uses,
          LABEL: Buffer.from(label),
          ...attributes,
        }),
      );
    }
  });
}

export function destroyKeys(token: TokenToOpen, label: string): void {
  inside(token, (module, session) => {
    for (const key of module.find(session, template({ LABEL: Buffer.from(label) }), 10))
      module.destroyObject(session, key);
  });
}

/** How many secret keys the token keeps. */
export function countKeys(token: TokenToOpen): number {
  return inside(
    token,
    (module, session) => module.find(session, template({ CLASS: CKO.SECRET_KEY }), 100).length,
  );
}
