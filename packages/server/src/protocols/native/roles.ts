import { ROUTES } from "@claviger/api";
import type { RouteName } from "@claviger/api";
import type { Role } from "../../core/access/principal.ts";

/*
 * Who may call what. A principal may call a route if it has one of the roles in its row.
 * - administrator: everything, so that whoever starts the service first can try all of it;
 * - custodian: fills, commits and clears NEW, and takes part in a change: plans, approves, activates;
 * - operator: crypto units, backups and every verb of a change; approves too, for the rule of the second principal is about
 *   persons and not about roles (core enforces it);
 * - key-admin: projects and the life of their keys, without using them;
 * - key-user: uses keys, and sees which there are;
 * - auditor: reads everything that can be read, and changes nothing.
 * A route that has no row, here or among the open routes, cannot be registered.
 */

export const ROUTE_ROLES = {
  getStatus: ["administrator", "operator", "auditor"],
  getCensus: ["administrator", "operator", "auditor"],

  createProject: ["administrator", "key-admin"],
  listProjects: ["administrator", "key-admin", "key-user", "auditor"],

  createKey: ["administrator", "key-admin"],
  listKeys: ["administrator", "key-admin", "key-user", "auditor"],
  getKey: ["administrator", "key-admin", "key-user", "auditor"],
  rotateKey: ["administrator", "key-admin"],
  enableKey: ["administrator", "key-admin"],
  disableKey: ["administrator", "key-admin"],

  encrypt: ["administrator", "key-user"],
  decrypt: ["administrator", "key-user"],
  generateDataKey: ["administrator", "key-user"],

  listUnits: ["administrator", "operator", "custodian", "auditor"],
  getUnit: ["administrator", "operator", "custodian", "auditor"],
  addUnit: ["administrator", "operator"],
  removeUnit: ["administrator", "operator"],
  quarantineUnit: ["administrator", "operator"],
  readmitUnit: ["administrator", "operator"],

  generateMasterKey: ["administrator", "custodian"],
  copyMasterKey: ["administrator", "custodian"],
  commitMasterKey: ["administrator", "custodian"],
  clearNewMasterKey: ["administrator", "custodian"],

  planChange: ["administrator", "operator", "custodian", "auditor"],
  createChange: ["administrator", "operator"],
  listChanges: ["administrator", "operator", "custodian", "auditor"],
  getChange: ["administrator", "operator", "custodian", "auditor"],
  reencipherChange: ["administrator", "operator"],
  pauseChange: ["administrator", "operator"],
  resumeChange: ["administrator", "operator"],
  activateChange: ["administrator", "operator", "custodian"],
  finalizeChange: ["administrator", "operator"],
  cancelChange: ["administrator", "operator"],
  restoreChange: ["administrator", "operator"],
  approveChange: ["administrator", "operator", "custodian"],
  purgeChange: ["administrator", "operator"],

  createPrincipal: ["administrator"],
  listPrincipals: ["administrator", "auditor"],

  createBackup: ["administrator", "operator"],
  listBackups: ["administrator", "operator", "auditor"],
  getBackup: ["administrator", "operator", "auditor"],
  readBackup: ["administrator", "operator", "auditor"],
  acceptRollback: ["administrator"],
} as const satisfies Record<RouteName, readonly Role[]>;

/** Routes that need no token: they tell nothing about keys, and supervisors have no tokens. */
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
