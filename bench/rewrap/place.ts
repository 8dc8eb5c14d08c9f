import type { Store } from "../../packages/server/src/core/ports/store.ts";
import type { FloorRewrap } from "./floor.ts";

/** A row of `keks` as a creation writes it. */
export interface KekRow {
  readonly kekId: string;
  readonly projectId: string;
  readonly kcv: Uint8Array;
  readonly blob: Uint8Array;
}

/** Where the databases of a measurement are: one that is filled once, and a copy of it for each round. */
export interface RewrapPlace extends AsyncDisposable {
  readonly name: "sqlite" | "postgresql";
  /** Opens the one that is filled. */
  openTemplate(): Promise<Store>;
  /** Adds rows to it, all under the first fence and master key, while it is not open. */
  fill(rows: AsyncIterable<readonly KekRow[]>): Promise<void>;
  openCopy(): Promise<RewrapCopy>;
  /** The plain loop of floor.ts on a database of the same kind, on the same disk. */
  floor(rows: number): Promise<FloorRewrap>;
}

export interface RewrapCopy extends AsyncDisposable {
  readonly store: Store;
}
