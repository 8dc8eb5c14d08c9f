/** Branded identifiers and the closed sets of names that the whole domain shares. */

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** UUID (RFC 9562 §5.4), lower case with hyphens: 36 characters. */
export type ProjectId = Branded<"project">;
export type KekId = Branded<"kek">;
export type KeyId = Branded<"key">;
export type ImportTokenId = Branded<"import token">;
export type ChangeId = Branded<"change">;
export type PrincipalId = Branded<"principal">;
export type TokenId = Branded<"token">;

/** Address of a crypto unit as `card.domain` in hex, two and four digits: `03.0033` (an APQN). */
export type UnitAddress = Branded<"unit">;

/** Name of a unit group: the units that carry the same master keys. */
export type GroupName = Branded<"group">;

/** Verification pattern of a master key: 32 bytes as 64 lower-case hex digits. */
export type Vp = Branded<"vp">;

/** EP11 calls its one master key WK; CCA has four types. */
export const MASTER_KEY_TYPES = ["WK", "SYM", "ASYM", "AES", "APKA"] as const;
export type MasterKeyType = (typeof MASTER_KEY_TYPES)[number];

export const DEFAULT_GROUP = "default" as GroupName;
export const DEFAULT_TYPE: MasterKeyType = "WK";
/** Where the first start makes the first master key. */
export const FIRST_UNIT = "01.0001" as UnitAddress;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const UNIT_ADDRESS = /^[0-9a-f]{2}\.[0-9a-f]{4}$/;

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

export function isUnitAddress(text: string): text is UnitAddress {
  return UNIT_ADDRESS.test(text);
}

/** The form of a VP that people read and retype: its first 16 bytes as 32 hex digits. */
export function shownVp(vp: Vp): string {
  return vp.slice(0, 32);
}

/** True when `typed` names `vp`: at least its first 16 bytes, in any case, and nothing that differs. */
export function namesVp(typed: string, vp: Vp): boolean {
  const text = typed.toLowerCase();
  return text.length >= 32 && text.length <= 64 && vp.startsWith(text);
}
