import type { GroupName, MasterKeyType } from "../../core/ids.ts";
import type { ModuleOptions } from "./token/module.ts";
import type { TokenPlace } from "./token/token-place.ts";

/*
 * What a daemon asks its unit hosts, and the forms in which it does. Payloads are fields (core/fields.ts): what is secret,
 * and what there is much of, is bytes; what is neither is JSON.
 */

/** Numbers of the operations; 0 starts a host. */
export const OP = {
  readRegisters: 1,
  execute: 2,
  /** The registers have changed by way of another host: what was read of them is forgotten. */
  forgetRegisters: 3,
  pinPeer: 4,
  exportMasterKey: 5,
  importMasterKey: 6,
  unitKey: 7,
  /** The unit's key, made where there is none: for a token that becomes a unit. */
  createUnitKey: 8,
  createKek: 10,
  openKek: 11,
  reencipher: 12,
  verify: 13,
  close: 14,
  generateMaterial: 20,
  openMaterial: 21,
  encrypt: 22,
  decrypt: 23,
  mac: 24,
  random: 25,
  generateKeyPair: 30,
  openSigningKey: 31,
  sign: 32,
  createImportKey: 40,
  importMaterial: 41,
} as const;

/** What a host is started with; the PIN is a field of its own behind it. */
export interface HostStart {
  readonly module: ModuleOptions;
  readonly token: TokenPlace;
  /** Of this unit alone: there its hosts see whether the PIN was refused to another one. */
  readonly stateFolder: string;
  readonly group: GroupName;
  readonly type: MasterKeyType;
  readonly isClonable: boolean;
  /** Number of the mechanism that was proved to be AES-KWP (RFC 5649). */
  readonly kwp: number;
}

/** At most so many objects of each kind are open in a host; the one used longest ago makes room. */
export const HANDLE_LIMIT = 4096;
