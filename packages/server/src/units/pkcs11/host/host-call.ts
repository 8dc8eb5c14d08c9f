/**
 * How long a host may be silent over a request before it counts as hung: `quick` for what a person or an application waits
 * for, `batch` for requests of many rows, `generate` for key generation, which has no upper bound for RSA.
 */
export type DeadlineClass = "quick" | "batch" | "generate";

/** `start` is for loading the module, finding the token and logging in. */
export type DeadlinesMs = Readonly<Record<DeadlineClass | "start", number>>;

/** One request to some host of a pool. */
export interface HostCall {
  /** 1 to 255; 0 is the start. */
  readonly op: number;
  /** Stays the caller's, who leaves it as it is until the call is settled. */
  readonly payload: Uint8Array;
  readonly deadline: DeadlineClass;
  /** It does no harm when it is done twice, because nothing that lasts comes of it. */
  readonly isRepeatable: boolean;
  /** Calls of the same name go to the same host, so that what one opens the next finds opened. */
  readonly home?: string;
  /** Key generation has a host of its own, so that a slow one holds up nobody. */
  readonly lane?: "work" | "generation";
}
