import { reasonsNotReady, reportStatus } from "../../core/operations/report-status.ts";
import type { ServicePorts } from "../../core/operations/service-ports.ts";
import type { NativeHandlers } from "./call.ts";
import { scopeOf } from "./scope-of.ts";

type StatusRoute = "getStatus" | "getCensus";

export interface StatusPorts extends ServicePorts {
  /** Why the audit log cannot be written. */
  readonly auditTroubles: () => readonly string[];
}

/** The routes that tell how the service is. */
export function statusHandlers(ports: StatusPorts): Pick<NativeHandlers, StatusRoute> {
  const { store } = ports;

  return {
    getStatus: async () => {
      const reasons = [...(await reasonsNotReady(ports)), ...ports.auditTroubles()];
      const groups = (await reportStatus(ports)).map((group) => ({
        ...group,
        openChange: group.openChange ?? null,
      }));
      return { version: ports.version, ready: reasons.length === 0, reasons, groups };
    },
    getCensus: async ({ query }) => {
      const scope = scopeOf(query);
      const patterns = await store.census(scope);
      return {
        ...scope,
        total: patterns.reduce((sum, line) => sum + line.current, 0),
        patterns: [...patterns],
      };
    },
  };
}
