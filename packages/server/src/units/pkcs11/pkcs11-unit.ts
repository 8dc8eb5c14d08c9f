import type { GroupName, MasterKeyType, UnitAddress } from "../../core/ids.ts";
import type { CryptoUnit, TokenDescription, UnitAbilities } from "../../core/unit/crypto-unit.ts";
import { Asking } from "./asking.ts";
import type { HandleOwner } from "./handles.ts";
import type { UnitHosts } from "./host/unit-hosts.ts";
import { TokenKekFace } from "./kek-face.ts";
import { TokenMaterialFace } from "./material-face.ts";
import { NO_ANCHORS } from "./no-anchors.ts";
import { TokenRegisterFace } from "./register-face.ts";
import { TokenSigningFace } from "./signing-face.ts";

/**
 * A crypto unit that is a PKCS#11 token: master keys as token objects, KEKs and key material as session objects, all of
 * it used inside. The daemon holds numbers of what is open, and the unit hosts do the work.
 */
export interface Pkcs11UnitParts {
  readonly hosts: UnitHosts;
  readonly address: UnitAddress;
  readonly group: GroupName;
  readonly type: MasterKeyType;
  /** DER SubjectPublicKeyInfo of the unit's own key. */
  readonly publicKey: Uint8Array;
  readonly abilities: UnitAbilities;
  readonly token: TokenDescription;
}

export function pkcs11Unit(parts: Pkcs11UnitParts): CryptoUnit {
  const { hosts, address, group, type, publicKey, abilities, token } = parts;
  const asking = new Asking(hosts);
  const owner = new Owner(address, asking);
  const registers = new TokenRegisterFace(asking, hosts, owner, {
    type,
    cloneForms: abilities.cloneForms,
  });
  return {
    description: { address, group, adapter: "pkcs11", publicKey, abilities, token },
    registers,
    keks: new TokenKekFace(asking, owner, { group, type }),
    materials: new TokenMaterialFace(asking, owner, abilities),
    signing: new TokenSigningFace(asking, owner, abilities),
    anchors: NO_ANCHORS,
    async close() {
      owner.close();
      await registers.close();
      await hosts.close();
    },
  };
}

class Owner implements HandleOwner {
  readonly unit: UnitAddress;
  readonly #asking: Asking;
  #isOpen = true;
  #last = 0;

  constructor(unit: UnitAddress, asking: Asking) {
    this.unit = unit;
    this.#asking = asking;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  number(): number {
    this.#last += 1;
    return this.#last;
  }

  drop(number: number, home: string): void {
    this.#asking.drop(number, home);
  }

  close(): void {
    this.#isOpen = false;
  }
}
