import type { Definition } from "./definition.ts";

/** What a principal may prove itself by besides a token: an identity of the issuer, a client certificate; each of one only. */
export const identities: readonly Definition[] = [
  `ALTER TABLE principals ADD COLUMN issuer TEXT`,
  `ALTER TABLE principals ADD COLUMN subject TEXT`,
  `ALTER TABLE principals ADD COLUMN certificate TEXT`,
  `CREATE UNIQUE INDEX principals_by_identity ON principals (issuer, subject)`,
  `CREATE UNIQUE INDEX principals_by_certificate ON principals (certificate)`,
];
