import type { AuditKeys } from "../../core/audit/audit-keys.ts";
import { listAuditKeys } from "../../core/operations/list-audit-keys.ts";
import { rotateAuditKey } from "../../core/operations/rotate-audit-key.ts";
import type { ServicePorts } from "../../core/operations/service-ports.ts";
import type { AuditReader } from "../../core/ports/audit-log.ts";
import { PAGE_ITEMS } from "./page-view.ts";
import type { NativeHandlers } from "./call.ts";
import { auditRecordView, auditVerificationView } from "./translate.ts";

const EXPORT_PAGE = 1000;

type AuditRoute =
  "listAudit" | "verifyAudit" | "exportAudit" | "listAuditKeys" | "rotateAuditKey" | "archiveAudit";

export interface AuditPorts {
  readonly store: ServicePorts["store"];
  readonly audit: AuditReader;
  readonly auditKeys: AuditKeys;
}

/** The routes of the audit log. */
export function auditHandlers(ports: AuditPorts): Pick<NativeHandlers, AuditRoute> {
  const { audit } = ports;

  return {
    listAudit: async ({ query }) => {
      const { order = "newest", limit = PAGE_ITEMS, after, ...filter } = query;
      const page = { order, limit, after: placeOf(after) };
      const { items, next } = await audit.list({ ...filter, ...page });
      return { items: items.map(auditRecordView), next: next === undefined ? null : String(next) };
    },
    verifyAudit: async () => auditVerificationView(await audit.verify()),
    exportAudit: async ({ query }) => {
      const page = { after: query.after, limit: query.limit ?? EXPORT_PAGE };
      const { lines, next } = await audit.exportPage(page);
      return { lines, next: next ?? null };
    },
    listAuditKeys: async () => ({ items: listAuditKeys(ports) }),
    rotateAuditKey: () => rotateAuditKey(ports),
    archiveAudit: async ({ body }) => {
      const { file, records } = await audit.archive({ before: body.before });
      return { file: file ?? null, records };
    },
  };
}

/** Behind which record a page of the audit log begins. */
function placeOf(after: string | undefined): number | "end" | undefined {
  if (after === undefined || after === "end") return after;
  return Number(after);
}
