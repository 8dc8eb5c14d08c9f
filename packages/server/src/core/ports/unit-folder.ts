import type { GroupName, UnitAddress } from "../ids.ts";
import type { CryptoUnit } from "../unit/crypto-unit.ts";

/** A token that becomes a crypto unit, by its PKCS#11 URI (RFC 7512) with `module-path` and `pin-source`. */
export interface TokenAttachment {
  readonly uri: string;
  /**
   * Whether master keys that are made in it may be copied to other units; without it they may not, ever. It is kept with the
   * attachment.
   */
  readonly isClonable?: boolean;
}

/**
 * PORT: where the crypto units are. Of each there is either a sealed file with its PIN, or a note of the token that it is:
 * with the first goes a master key, with the second the way to it.
 */
export interface UnitFolder {
  /**
   * Creates a software unit with a random PIN, or attaches the token that is given, or that is reserved for the address.
   * Opens what an interrupted creation left.
   * @throws Failure `unit-exists` when a unit of that address is there and belongs to another group, or is of another kind
   * or token; `invalid-request`, `module-not-allowed`, `pin-file-refused` for a token that may not be attached;
   * `store-full`, `store-read-only`, and those of opening.
   */
  create(address: UnitAddress, group: GroupName, attachment?: TokenAttachment): Promise<CryptoUnit>;
  /** @throws Failure `unit-missing`, `unit-unreachable`, `unit-pin-wrong`, `unit-file-tampered`, and those of tokens that may not be attached. */
  open(address: UnitAddress): Promise<CryptoUnit>;
  /** Addresses whose sealed files or attachments are there. */
  list(): Promise<readonly UnitAddress[]>;
  /** Addresses that the configuration keeps for tokens: whoever names one gets its token. */
  reserved(): readonly UnitAddress[];
  /**
   * Sets the sealed file and the PIN aside, durably, under another name that both share; a master key is never deleted
   * with a unit. Of a token the attachment is set aside, and the keys stay in it. May be repeated: what was interrupted is
   * finished, and what is not there is left.
   * @throws Failure `store-full`, `store-read-only`, `data-folder-unusable`, `unit-unreachable`.
   */
  setAside(address: UnitAddress): Promise<void>;
}
