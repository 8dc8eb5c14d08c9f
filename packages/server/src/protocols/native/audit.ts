import type { RouteName } from "@claviger/api";

/**
 * What of a route is recorded in the audit log:
 * - `use`: every request, allowed or refused; the reply waits for the record;
 * - `change`: the same, and what it changes is recorded with the change itself;
 * - `refusals`: it tells nothing of keys, or is the reading of the log itself, which would record its own reading for
 *   ever when somebody follows it; who is refused is recorded.
 * A route that has no row does not compile.
 */
export type RouteRecording = "use" | "change" | "refusals";

export const ROUTE_RECORDING = {
  getStatus: "refusals",
  getCensus: "refusals",

  createProject: "change",
  listProjects: "use",
  createKey: "change",
  listKeys: "use",
  getKey: "use",
  rotateKey: "change",
  enableKey: "change",
  disableKey: "change",
  createImportToken: "change",
  importKey: "change",
  scheduleKeyDeletion: "change",
  cancelKeyDeletion: "change",

  encrypt: "use",
  decrypt: "use",
  generateDataKey: "use",
  sign: "use",
  verify: "use",
  exportPublicKey: "use",

  listUnits: "use",
  getUnit: "use",
  addUnit: "change",
  removeUnit: "change",
  quarantineUnit: "change",
  readmitUnit: "change",

  generateMasterKey: "change",
  copyMasterKey: "change",
  commitMasterKey: "change",
  clearNewMasterKey: "change",

  planChange: "use",
  createChange: "change",
  listChanges: "use",
  getChange: "use",
  reencipherChange: "change",
  pauseChange: "change",
  resumeChange: "change",
  activateChange: "change",
  finalizeChange: "change",
  cancelChange: "change",
  restoreChange: "change",
  approveChange: "change",
  purgeChange: "change",

  createPrincipal: "change",
  listPrincipals: "use",
  getPrincipal: "use",
  whoAmI: "refusals",
  enablePrincipal: "change",
  disablePrincipal: "change",
  grantRole: "change",
  withdrawRole: "change",
  limitPrincipal: "change",
  linkIdentity: "change",
  unlinkIdentity: "change",
  bindCertificate: "change",
  unbindCertificate: "change",

  beginSignIn: "refusals",
  signIn: "change",

  createToken: "change",
  listTokens: "use",
  revokeToken: "change",

  createBackup: "use",
  listBackups: "use",
  getBackup: "use",
  readBackup: "use",
  acceptRollback: "use",

  listAudit: "refusals",
  verifyAudit: "use",
  exportAudit: "use",
  listAuditKeys: "use",
  rotateAuditKey: "change",
  archiveAudit: "use",
} as const satisfies Record<RouteName, RouteRecording>;
