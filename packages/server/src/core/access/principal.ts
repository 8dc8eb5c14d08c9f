import type { PrincipalId } from "../ids.ts";

/** What a principal may be. Which role may do what is stated route by route in the protocol's table. */
export type Role = "administrator" | "custodian" | "operator" | "key-admin" | "key-user" | "auditor";

/** A person or service that calls, as its token proved. */
export interface Principal {
  readonly id: PrincipalId;
  /** Unique; what records and history show. */
  readonly name: string;
  readonly roles: readonly Role[];
}
