import type { ServicePorts } from "../../core/operations/service-ports.ts";
import type { BackupPorts } from "../../core/operations/list-backups.ts";
import type { AuditPorts } from "./audit-handlers.ts";
import { auditHandlers } from "./audit-handlers.ts";
import type { AnchorPorts } from "./backup-handlers.ts";
import { backupHandlers } from "./backup-handlers.ts";
import { changeHandlers } from "./change-handlers.ts";
import { encryptionHandlers } from "./encryption-handlers.ts";
import { keyHandlers } from "./key-handlers.ts";
import { masterKeyHandlers } from "./master-key-handlers.ts";
import { principalHandlers } from "./principal-handlers.ts";
import { projectHandlers } from "./project-handlers.ts";
import { signatureHandlers } from "./signature-handlers.ts";
import { statusHandlers } from "./status-handlers.ts";
import { unitHandlers } from "./unit-handlers.ts";
import type { NativeHandlers, SignInHandlers } from "./call.ts";
import { signInHandlers } from "./sign-in-handlers.ts";
import type { StatusPorts } from "./status-handlers.ts";

/** Every native route as one call of the domain: translate, call, translate back. A route that has none does not compile. */
export function nativeHandlers(
  ports: ServicePorts & StatusPorts & BackupPorts & AnchorPorts & AuditPorts,
): NativeHandlers & SignInHandlers {
  return {
    ...statusHandlers(ports),
    ...projectHandlers(ports),
    ...keyHandlers(ports),
    ...encryptionHandlers(ports),
    ...signatureHandlers(ports),
    ...unitHandlers(ports),
    ...masterKeyHandlers(ports),
    ...changeHandlers(ports),
    ...principalHandlers(ports),
    ...signInHandlers(ports),
    ...auditHandlers(ports),
    ...backupHandlers(ports),
  };
}
