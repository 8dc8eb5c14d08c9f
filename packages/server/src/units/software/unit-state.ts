import { createPrivateKey, createPublicKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { MasterKeyPair } from "../../core/crypto/master-key-pair.ts";
import {
  MASTER_KEY_PAIR_BYTES,
  masterKeyPairBytes,
  masterKeyPairOf,
} from "../../core/crypto/master-key-pair.ts";
import { verificationPattern } from "../../core/crypto/verification-pattern.ts";
import type { GroupName, UnitAddress } from "../../core/ids.ts";
import { isUnitAddress, MASTER_KEY_TYPES } from "../../core/ids.ts";
import type { Filled, Registers } from "../../core/unit/registers.ts";
import { FieldReader, FieldWriter } from "../../core/fields.ts";

/** All that a software unit is: what its sealed file holds. Never changed, only replaced. */
export interface UnitState {
  readonly address: UnitAddress;
  readonly group: GroupName;
  /** RSA-3072: others wrap master keys for this unit with its public half. */
  readonly clonePrivateKey: KeyObject;
  /** DER SubjectPublicKeyInfo by address: the only keys that master keys are exported to. */
  readonly peers: ReadonlyMap<UnitAddress, Uint8Array>;
  readonly registers: Registers<MasterKeyPair>;
  /** The unit has kept anchors: where their file is not there it was taken away. */
  readonly anchored: boolean;
}

/** The fields are the same: a release that knows no anchors refuses the second. */
const FORMAT = 1;
const FORMAT_ANCHORED = 2;
const EMPTY = 0;
const UNCOMMITTED = 1;
const HELD = 2;

/** The one byte form of a state, which the caller wipes: fields in this order, lengths before what varies, peers by address. */
export function encodeState(state: UnitState): Uint8Array {
  const writer = new FieldWriter();
  writer.byte(state.anchored ? FORMAT_ANCHORED : FORMAT);
  writer.text(state.address);
  writer.text(state.group);
  const privateKey = state.clonePrivateKey.export({ format: "der", type: "pkcs8" });
  writer.bytes(privateKey);
  privateKey.fill(0);
  writer.count(state.peers.size);
  for (const [address, publicKey] of [...state.peers].sort(([a], [b]) => (a < b ? -1 : 1))) {
    writer.text(address);
    writer.bytes(publicKey);
  }
  const { NEW, CURRENT, OLD } = state.registers;
  writer.text(state.registers.type);
  writeRegister(writer, NEW, NEW?.committed === false ? UNCOMMITTED : HELD);
  writeRegister(writer, CURRENT, HELD);
  writeRegister(writer, OLD, HELD);
  return writer.finish();
}

/** The state in `bytes`, which stay the caller's. @throws TypeError when they are no state. */
export function decodeState(bytes: Uint8Array): UnitState {
  const reader = new FieldReader(bytes);
  const format = reader.byte();
  if (format !== FORMAT && format !== FORMAT_ANCHORED)
    throw new TypeError("unknown format of a unit's state");
  const address = addressOf(reader.text());
  const group = reader.text() as GroupName;
  const privateKey = Buffer.from(reader.bytes());
  const clonePrivateKey = createPrivateKey({ key: privateKey, format: "der", type: "pkcs8" });
  privateKey.fill(0);
  const peers = new Map<UnitAddress, Uint8Array>();
  for (let left = reader.count(); left > 0; left--)
    peers.set(addressOf(reader.text()), Uint8Array.from(reader.bytes()));
  const typeText = reader.text();
  const type = MASTER_KEY_TYPES.find((known) => known === typeText);
  if (!type) throw new TypeError("unknown master key type");
  const register = (): (Filled<MasterKeyPair> & { committed: boolean }) | undefined => {
    const state = reader.byte();
    if (state === EMPTY) return undefined;
    const pair = masterKeyPairOf(reader.fixed(MASTER_KEY_PAIR_BYTES));
    return { vp: verificationPattern(type, pair), pair, committed: state === HELD };
  };
  const registers = { type, NEW: register(), CURRENT: register(), OLD: register() };
  reader.end();
  return { address, group, clonePrivateKey, peers, registers, anchored: format === FORMAT_ANCHORED };
}

/** DER SubjectPublicKeyInfo of the unit's own public key. */
export function clonePublicKey(state: UnitState): Uint8Array {
  return createPublicKey(state.clonePrivateKey).export({ format: "der", type: "spki" });
}

function writeRegister(writer: FieldWriter, held: Filled<MasterKeyPair> | undefined, state: number): void {
  if (!held) {
    writer.byte(EMPTY);
    return;
  }
  writer.byte(state);
  const pair = masterKeyPairBytes(held.pair);
  writer.fixed(pair);
  pair.fill(0);
}

function addressOf(text: string): UnitAddress {
  if (!isUnitAddress(text)) throw new TypeError("not the address of a unit");
  return text;
}
