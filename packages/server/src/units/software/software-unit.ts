import { generateKeyPair } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { Failure } from "../../core/errors.ts";
import type { GroupName, UnitAddress } from "../../core/ids.ts";
import { DEFAULT_TYPE, isUnitAddress } from "../../core/ids.ts";
import type { SecretBytes } from "../../core/secret/secret-bytes.ts";
import type { CryptoUnit } from "../../core/unit/crypto-unit.ts";
import { emptyRegisters } from "../../core/unit/registers.ts";
import { ABILITIES } from "./abilities.ts";
import { SoftwareAnchors } from "./anchor-face.ts";
import { anchorsPath } from "./anchor-file.ts";
import type { BatchThreadMode } from "./batch-client.ts";
import { createBatchClient } from "./batch-client.ts";
import { HandleOwner } from "./handles.ts";
import { SoftwareKeks } from "./kek-face.ts";
import { CLONE_KEY_BITS } from "./master-key-clone.ts";
import { SoftwareMaterials } from "./material-face.ts";
import type { KdfParameters } from "./pin-key.ts";
import { DEFAULT_KDF } from "./pin-key.ts";
import { SoftwareRegisters } from "./register-face.ts";
import { SoftwareSigning } from "./signing-face.ts";
import { UnitFile } from "./unit-file.ts";
import { clonePublicKey } from "./unit-state.ts";

/**
 * The embedded software crypto unit: registers in one file that a PIN seals, keys in memory as KeyObjects. One master
 * key type, WK. One process at a time owns the file; whoever composes the daemon sees to that.
 */

export interface OpenSoftwareUnit {
  /** The sealed file. Its folder is created with mode 0700 where it is missing. */
  readonly path: string;
  /** Stays the caller's, and is not kept. */
  readonly pin: SecretBytes;
  /** Where batches run; a thread of their own by default. */
  readonly thread?: BatchThreadMode;
}

export interface CreateSoftwareUnit extends OpenSoftwareUnit {
  readonly address: UnitAddress;
  readonly group: GroupName;
  /** Cost of a guess at the PIN; about 140 ms and 64 MiB by default. Kept in the file. */
  readonly kdf?: KdfParameters;
}

/**
 * Makes a unit with empty registers and its file.
 * @throws Failure `unit-exists`, `invalid-request`, `store-full`, `store-read-only`.
 */
export async function createSoftwareUnit(options: CreateSoftwareUnit): Promise<CryptoUnit> {
  const { path, pin, address, group, kdf = DEFAULT_KDF, thread = "own" } = options;
  if (!isUnitAddress(address)) {
    throw new Failure("invalid-request", "an address is card.domain in hex, as 03.0033", {
      field: "address",
    });
  }
  const clonePrivateKey = await generateCloneKey();
  const state = {
    address,
    group,
    clonePrivateKey,
    peers: new Map(),
    registers: emptyRegisters<never>(DEFAULT_TYPE),
    anchored: false,
  };
  return unitOf(path, await UnitFile.create(path, pin, kdf, state), thread);
}

/** @throws Failure `unit-missing` (no file), `unit-unreachable` (not to be read), `unit-pin-wrong`, `unit-file-tampered`. */
export async function openSoftwareUnit({ path, pin, thread = "own" }: OpenSoftwareUnit): Promise<CryptoUnit> {
  return unitOf(path, await UnitFile.open(path, pin), thread);
}

function unitOf(path: string, file: UnitFile, thread: BatchThreadMode): CryptoUnit {
  const { address, group } = file.state;
  const owner = new HandleOwner(address);
  const batches = createBatchClient(thread);
  const registers = new SoftwareRegisters(file, owner);
  const anchors = new SoftwareAnchors(anchorsPath(path), file.state, registers);
  return {
    description: {
      address,
      group,
      adapter: "software",
      publicKey: clonePublicKey(file.state),
      abilities: ABILITIES,
    },
    registers,
    keks: new SoftwareKeks(file, owner, batches),
    materials: new SoftwareMaterials(owner),
    signing: new SoftwareSigning(owner),
    anchors,
    async close() {
      await anchors.close();
      owner.close();
      await registers.close();
      await batches.close();
      file.forget();
    },
  };
}

function generateCloneKey(): Promise<KeyObject> {
  return new Promise((resolve, reject) => {
    generateKeyPair("rsa", { modulusLength: CLONE_KEY_BITS }, (error, _publicKey, privateKey) => {
      if (error) reject(error);
      else resolve(privateKey);
    });
  });
}
