import { acceptRollback } from "../../core/operations/accept-rollback.ts";
import type { AnchorKeeper } from "../../core/audit/anchor-keeper.ts";
import type { BackupPorts } from "../../core/operations/list-backups.ts";
import { listBackups, readBackup, reportBackup, startBackup } from "../../core/operations/list-backups.ts";
import type { ServicePorts } from "../../core/operations/service-ports.ts";
import type { NativeHandlers } from "./call.ts";
import { backupView, base64, rollbackView } from "./translate.ts";

const BACKUP_PIECE_BYTES = 1024 * 1024;

type BackupRoute = "createBackup" | "listBackups" | "getBackup" | "readBackup" | "acceptRollback";

/** What finds an older database, and begins anew when somebody accepts one. */
export interface AnchorPorts {
  readonly anchors: Pick<AnchorKeeper, "alone" | "renew">;
}

/** The routes of backups, and of a database that was restored from one. */
export function backupHandlers(
  ports: ServicePorts & BackupPorts & AnchorPorts,
): Pick<NativeHandlers, BackupRoute> {
  return {
    createBackup: async () => backupView(startBackup(ports)),
    listBackups: async () => ({ items: (await listBackups(ports)).map(backupView) }),
    getBackup: async ({ params }) => backupView(await reportBackup(ports, { name: params.backup })),
    readBackup: async ({ params, query }) => {
      const offset = query.offset ?? 0;
      const input = { name: params.backup, offset, lengthBytes: BACKUP_PIECE_BYTES };
      const { sizeBytes, bytes } = await readBackup(ports, input);
      return { sizeBytes, bytes: base64(bytes) };
    },
    acceptRollback: async (_input, { name: by }) => ({
      accepted: (await acceptRollback(ports, { by })).map(rollbackView),
    }),
  };
}
