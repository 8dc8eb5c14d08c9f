import { parseHead } from "@claviger/audit";
import type { AnchorKeeper } from "../core/audit/anchor-keeper.ts";
import type { Clock } from "../core/clock.ts";
import type { RecordedMutation } from "../core/audit/recorded-store.ts";
import { OutboxTaker } from "../core/audit/outbox-taker.ts";
import type { Alarms } from "../core/ports/alarms.ts";
import type { AuditStore } from "../core/ports/audit-log.ts";
import { isFailure } from "../core/errors.ts";
import { ChainedLog } from "./chained-log.ts";
import { lastSigner } from "./last-signer.ts";
import { LogReader } from "./log-reader.ts";

const RESERVE_BYTES = 1024 * 1024;

/** The audit log of this node, and what brings records from the main store into it. */
export interface Audit {
  readonly log: ChainedLog;
  readonly taker: OutboxTaker;
  readonly reader: LogReader;
  /** Fingerprint of the key that signed last before this start. */
  readonly lastSigner: string | undefined;
  /** To be called after a mutation that may have left a record. */
  readonly after: (mutation: RecordedMutation) => void;
  /** Takes over and signs what there is, and ends the thread. */
  readonly close: () => Promise<void>;
}

/**
 * Opens the log of a data folder with a new chain, and takes over what a crash has left in the outbox.
 * @throws Failure `audit-unavailable`.
 */
export async function openAudit(options: {
  readonly store: AuditStore;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly files: { readonly database: string; readonly reserve: string; readonly archive: string };
  readonly node: string;
  /** Gets each signed head: what is anchored outside the log. */
  readonly anchors: Pick<AnchorKeeper, "keep" | "claims">;
}): Promise<Audit> {
  const { store, clock, alarms, files, node, anchors } = options;
  const held: { taker?: OutboxTaker } = {};
  const log = await ChainedLog.open({
    path: files.database,
    reservePath: files.reserve,
    reserveBytes: RESERVE_BYTES,
    node,
    clock,
    alarms,
    onRecovered: () => held.taker?.wake(),
    onSignedHead: ({ text }) => {
      const head = parseHead(text);
      if (head) anchors.keep({ chain: head.chain, seq: head.seq, hash: head.hash });
    },
  });
  const taker = new OutboxTaker({ store, log });
  held.taker = taker;
  await taker.taken();
  const { database: path, archive } = files;
  const reader = new LogReader({ path, archive }, { log, taker, clock, anchors });
  return {
    log,
    taker,
    reader,
    lastSigner: lastSigner(path),
    after(mutation) {
      if (mutation !== "transition") return taker.wake();
      taker.taken().then(
        () => log.signHead(),
        () => undefined, // signed when the log can be written again
      );
    },
    async close() {
      try {
        await taker.taken();
      } catch (error) {
        if (!isFailure(error)) throw error; // the next start takes over what is left
      }
      await taker.idle();
      await reader.close();
      await log.close();
    },
  };
}
