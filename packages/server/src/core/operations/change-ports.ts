import type { VouchedRows } from "../access/vouched-rows.ts";
import type { Clock } from "../clock.ts";
import type { ChangeRunner } from "../master-key-change/runner.ts";
import type { Store } from "../ports/store.ts";
import type { AttachedUnits } from "../unit/attached-units.ts";

/** What the verbs of a master-key change need. */
export interface ChangePorts {
  readonly store: Store;
  readonly units: AttachedUnits;
  readonly vouchedRows: VouchedRows;
  readonly clock: Clock;
  readonly runner: Pick<ChangeRunner, "start" | "wake" | "interrupt" | "retryFailed" | "withoutActivation">;
  /** Patterns that the configuration allows each group to have; a group that is not named may have any. */
  readonly expectedVps: ReadonlyMap<string, readonly string[]>;
}

/** Names a change, and who acts on it. */
export interface ChangeInput {
  readonly change: ChangeRef;
  readonly by: string;
}

type ChangeRef = Parameters<Store["readChange"]>[0]["id"];
