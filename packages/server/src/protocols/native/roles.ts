import { ROUTES } from "@claviger/api";
import type { GuardedRouteName, OpenRouteName } from "@claviger/api";
import type { Requirement } from "../../core/access/admission.ts";
import type { Role } from "../../core/access/principal.ts";

/*
 * Who may call what. A principal may call a route if it has one of the roles in its row: for the whole service, or for
 * the project that the path names; routes of a principal are also for that principal itself, and its own things are for
 * everybody (core/access/admission.ts).
 * - administrator: everything, so that whoever starts the service first can try all of it;
 * - custodian: fills, commits and clears NEW, and takes part in a change: plans, approves, activates;
 * - operator: crypto units, backups and every verb of a change; approves too, for the rule of the second principal is about
 *   persons and not about roles (core enforces it);
 * - key-admin: projects and the life of their keys, without using them;
 * - key-user: uses keys, and sees which there are;
 * - auditor: reads everything that can be read, and changes nothing.
 * Signing in is open, for it is how one becomes a principal. A route that has no row, here or among the open routes, cannot be registered.
 */

const inService = (...roles: readonly Role[]): Requirement => ({ concern: "service", roles });
const inProject = (...roles: readonly Role[]): Requirement => ({ concern: "project", roles });
const ofPrincipal = (...roles: readonly Role[]): Requirement => ({ concern: "principal", roles });
const OWN: Requirement = { concern: "own", roles: [] };

export const ROUTE_ROLES = {
  getStatus: inService("administrator", "operator", "auditor"),
  getCensus: inService("administrator", "operator", "auditor"),

  createProject: inService("administrator", "key-admin"),
  listProjects: OWN,

  createKey: inProject("administrator", "key-admin"),
  listKeys: inProject("administrator", "key-admin", "key-user", "auditor"),
  getKey: inProject("administrator", "key-admin", "key-user", "auditor"),
  rotateKey: inProject("administrator", "key-admin"),
  enableKey: inProject("administrator", "key-admin"),
  disableKey: inProject("administrator", "key-admin"),
  createImportToken: inProject("administrator", "key-admin"),
  importKey: inProject("administrator", "key-admin"),
  scheduleKeyDeletion: inProject("administrator", "key-admin"),
  cancelKeyDeletion: inProject("administrator", "key-admin"),

  encrypt: inProject("administrator", "key-user"),
  decrypt: inProject("administrator", "key-user"),
  generateDataKey: inProject("administrator", "key-user"),
  sign: inProject("administrator", "key-user"),
  verify: inProject("administrator", "key-user"),
  exportPublicKey: inProject("administrator", "key-admin", "key-user", "auditor"),

  listUnits: inService("administrator", "operator", "custodian", "auditor"),
  getUnit: inService("administrator", "operator", "custodian", "auditor"),
  addUnit: inService("administrator", "operator"),
  removeUnit: inService("administrator", "operator"),
  quarantineUnit: inService("administrator", "operator"),
  readmitUnit: inService("administrator", "operator"),

  generateMasterKey: inService("administrator", "custodian"),
  copyMasterKey: inService("administrator", "custodian"),
  commitMasterKey: inService("administrator", "custodian"),
  clearNewMasterKey: inService("administrator", "custodian"),

  planChange: inService("administrator", "operator", "custodian", "auditor"),
  createChange: inService("administrator", "operator"),
  listChanges: inService("administrator", "operator", "custodian", "auditor"),
  getChange: inService("administrator", "operator", "custodian", "auditor"),
  reencipherChange: inService("administrator", "operator"),
  pauseChange: inService("administrator", "operator"),
  resumeChange: inService("administrator", "operator"),
  activateChange: inService("administrator", "operator", "custodian"),
  finalizeChange: inService("administrator", "operator"),
  cancelChange: inService("administrator", "operator"),
  restoreChange: inService("administrator", "operator"),
  approveChange: inService("administrator", "operator", "custodian"),
  purgeChange: inService("administrator", "operator"),

  createPrincipal: inService("administrator"),
  listPrincipals: inService("administrator", "auditor"),
  getPrincipal: ofPrincipal("administrator", "auditor"),
  whoAmI: OWN,
  enablePrincipal: inService("administrator"),
  disablePrincipal: inService("administrator"),
  grantRole: inService("administrator"),
  withdrawRole: inService("administrator"),
  limitPrincipal: inService("administrator"),
  linkIdentity: inService("administrator"),
  unlinkIdentity: inService("administrator"),
  bindCertificate: inService("administrator"),
  unbindCertificate: inService("administrator"),

  createToken: ofPrincipal("administrator"),
  listTokens: ofPrincipal("administrator", "auditor"),
  revokeToken: ofPrincipal("administrator"),

  listAudit: inService("administrator", "auditor"),
  verifyAudit: inService("administrator", "auditor"),
  exportAudit: inService("administrator", "auditor"),
  listAuditKeys: inService("administrator", "auditor"),
  rotateAuditKey: inService("administrator"),
  archiveAudit: inService("administrator"),

  createBackup: inService("administrator", "operator"),
  listBackups: inService("administrator", "operator", "auditor"),
  getBackup: inService("administrator", "operator", "auditor"),
  readBackup: inService("administrator", "operator", "auditor"),
  acceptRollback: inService("administrator"),
} as const satisfies Record<GuardedRouteName, Requirement>;

/**
 * Routes whose replies bear a key, or what a key opened or signed: before such a reply leaves, it is made sure that nothing was
 * revoked since the request was admitted.
 */
export const KEY_BEARING: ReadonlySet<GuardedRouteName> = new Set<GuardedRouteName>([
  "encrypt",
  "decrypt",
  "generateDataKey",
  "sign",
]);

/** Routes of the API that need no token, for those who call them have none yet; they are limited by core/access/sign-ins.ts. */
export const SIGN_IN_ROUTES = ["beginSignIn", "signIn"] as const satisfies readonly OpenRouteName[];

/** Routes beside those of the API, which need no token: they tell nothing about keys, and supervisors have no tokens. */
export const OPEN_ROUTES = {
  livez: { method: "GET", path: "/livez" },
  readyz: { method: "GET", path: "/readyz" },
  metrics: { method: "GET", path: "/metrics" },
  openApi: { method: "GET", path: "/v1/openapi.json" },
} as const;

const LISTED: ReadonlySet<string> = new Set(
  [...Object.values(ROUTES), ...Object.values(OPEN_ROUTES)].map(({ method, path }) => `${method} ${path}`),
);

/** True for a route of one of the two tables. HEAD is GET without the body, with the same hooks (RFC 9110 §9.3.2). */
export function isListedRoute(method: string, path: string): boolean {
  return LISTED.has(`${method === "HEAD" ? "GET" : method} ${path}`);
}
