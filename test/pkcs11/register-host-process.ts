import type { Vp } from "../../packages/server/src/core/ids.ts";
import { DEFAULT_GROUP } from "../../packages/server/src/core/ids.ts";
import type { KekBatchRow, PeerKey } from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { RegisterCommand, RegisterName } from "../../packages/server/src/core/unit/registers.ts";
import type { CloneRoute } from "../../packages/server/src/core/crypto/master-key-clone.ts";
import { MasterKeyClones } from "../../packages/server/src/units/pkcs11/token/clones.ts";
import { CKA, CKM, CKO } from "../../packages/server/src/units/pkcs11/token/cryptoki.ts";
import { TokenKeks } from "../../packages/server/src/units/pkcs11/token/keks.ts";
import { masterKeyPair } from "../../packages/server/src/units/pkcs11/token/key-templates.ts";
import { MasterKeys } from "../../packages/server/src/units/pkcs11/token/master-keys.ts";
import type { Attributes, ObjectHandle } from "../../packages/server/src/units/pkcs11/token/module.ts";
import { template } from "../../packages/server/src/units/pkcs11/token/module.ts";
import type { TokenSession } from "../../packages/server/src/units/pkcs11/token/token-session.ts";
import { UnitKey } from "../../packages/server/src/units/pkcs11/token/unit-key.ts";
import { serveToken } from "./serve-token.ts";

/*
 * A process that works on the master keys of one token as its parent says, and does to its objects what happens to objects
 * of a token: `register-host.ts` starts it.
 */

export type RegisterOperations = ReturnType<typeof operationsOn>;

const SCOPE = { group: DEFAULT_GROUP, type: "WK", isClonable: true } as const;

function operationsOn(token: TokenSession, masterKeys: MasterKeys, kwp: number) {
  const { module } = token;
  const keks = new TokenKeks(token, masterKeys, SCOPE, kwp);
  const unitKey = new UnitKey(token, SCOPE);
  const clones = new MasterKeyClones(token, masterKeys, SCOPE, unitKey);
  const labelOf = (key: ObjectHandle) => module.attribute(token.session, key, CKA.LABEL).toString("utf8");
  const objects = (TOKEN: boolean): readonly ObjectHandle[] =>
    [CKO.SECRET_KEY, CKO.PRIVATE_KEY, CKO.PUBLIC_KEY].flatMap((CLASS) =>
      module.find(token.session, template({ CLASS, TOKEN }), 30_000),
    );
  const labelled = (label: string): ObjectHandle => {
    const found = objects(true).find((key) => labelOf(key) === label);
    if (!found) throw new RangeError(`the token has no ${label}`);
    return found;
  };
  const destroy = (key: ObjectHandle) => module.destroyObject(token.session, key);
  return {
    read: () => masterKeys.reading(),
    execute: (command: RegisterCommand) => masterKeys.execute(command),
    unitKey: () => unitKey.publicKey(),
    createUnitKey: () => unitKey.createOrPublicKey(),
    pin: (peer: PeerKey) => clones.pin(peer),
    export: (route: CloneRoute) => clones.export(route),
    import: (route: CloneRoute, wrapped: Uint8Array) => clones.import(route, wrapped),
    createKek: (row: Pick<KekBatchRow, "projectId" | "kekId">, vps: readonly Vp[]) => keks.create(row, vps),
    verify: (rows: readonly KekBatchRow[], vp: Vp, among: readonly RegisterName[]) =>
      keks.verify(rows, vp, among),
    reencipher: (rows: readonly KekBatchRow[], from: Vp, to: Vp) => keks.reencipher(rows, from, to),
    /** Returns by how many bytes the process has grown. */
    openAndClose: (row: KekBatchRow, vp: Vp, times: number): number => {
      const rounds = (count: number): number => {
        for (let i = 0; i < count; i += 1) destroy(keks.open(row, vp));
        globalThis.gc?.();
        return process.memoryUsage().rss;
      };
      // The heap has its size after as many rounds; what still grows then is not the heap.
      return -rounds(times) + rounds(times);
    },
    /** As `openAndClose` three times, and after each the module begins anew: by how much the last differs from the first. */
    growthWhenRenewed: (row: KekBatchRow, vp: Vp, times: number): number => {
      const round = (): number => {
        for (let i = 0; i < times; i += 1) destroy(keks.open(row, vp));
        token.renew();
        token.open();
        return process.memoryUsage().rss;
      };
      const first = round();
      round();
      return round() - first;
    },
    forget: () => masterKeys.forget(),
    /** Labels of what lies in the token, sorted. */
    labels: () => objects(true).map(labelOf).toSorted(),
    sessionObjects: () => objects(false).length,
    /** Removes every secret key of the token: a unit without master keys. */
    wipe: () => {
      masterKeys.forget();
      for (const key of module.find(token.session, template({ CLASS: CKO.SECRET_KEY, TOKEN: true }), 30_000))
        destroy(key);
    },
    lose: (label: string) => destroy(labelled(label)),
    relabel: (label: string, as: string) =>
      module.setAttributes(token.session, labelled(label), template({ LABEL: as })),
    /** Its id too, unless there is another one. */
    duplicate: (label: string, id?: Uint8Array) => {
      const named: Attributes = { TOKEN: true, LABEL: label, ...(id && { ID: Buffer.from(id) }) };
      module.copyObject(token.session, labelled(label), template(named));
    },
    /** Another application's key. */
    addForeign: (label: string, more: Attributes = {}) => {
      const { wrapping } = masterKeyPair(SCOPE);
      module.generateKey(token.session, CKM.AES_KEY_GEN, template({ ...wrapping, LABEL: label, ...more }));
    },
  };
}

serveToken((token, kwp) => {
  const masterKeys = new MasterKeys(token, SCOPE);
  return { operations: operationsOn(token, masterKeys, kwp), lose: () => masterKeys.lost() };
});
