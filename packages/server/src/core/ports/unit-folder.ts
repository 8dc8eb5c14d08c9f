import type { GroupName, UnitAddress } from "../ids.ts";
import type { CryptoUnit } from "../unit/crypto-unit.ts";

/** PORT: where software units are kept, each with its PIN. */
export interface UnitFolder {
  /**
   * Creates a unit with a random PIN, or opens one that an interrupted creation left.
   * @throws Failure `unit-exists` when a unit of that address is there and belongs to another group, `store-full`, `store-read-only`.
   */
  create(address: UnitAddress, group: GroupName): Promise<CryptoUnit>;
  /** @throws Failure `unit-missing`, `unit-pin-wrong`, `unit-file-tampered`. */
  open(address: UnitAddress): Promise<CryptoUnit>;
  /** Addresses whose sealed files are there. */
  list(): Promise<readonly UnitAddress[]>;
  /**
   * Sets the sealed file and the PIN aside, durably, under another name that both share; a master key is never deleted
   * with a unit. May be repeated: what was interrupted is finished, and what is not there is left.
   * @throws Failure `store-full`, `store-read-only`, `unit-unreachable`.
   */
  setAside(address: UnitAddress): Promise<void>;
}
