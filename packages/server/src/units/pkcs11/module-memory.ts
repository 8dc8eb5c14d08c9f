/** By so much a host may grow before its module has to give back what it holds. */
const GROWTH_LIMIT_BYTES = 256 * 1024 * 1024;
/** Requests between two looks. */
const LOOK_EVERY = 1000;

/**
 * Whether a module holds on to more and more memory: SoftHSM keeps some 250 bytes of every session object that was destroyed
 * until C_Finalize (observed; SessionObjectStore of 2.6.1), and each message that is sealed makes one.
 */
export class ModuleMemory {
  #requests = 0;
  #atBeginning: number | undefined;
  readonly #usedBytes: () => number;

  constructor(usedBytes = () => process.memoryUsage.rss()) {
    this.#usedBytes = usedBytes;
  }

  /** To be asked before each request; once it is true, the module is taken to begin anew. */
  isUsedUp(): boolean {
    this.#requests += 1;
    if (this.#requests % LOOK_EVERY !== 0) return false;
    const usedBytes = this.#usedBytes();
    this.#atBeginning ??= usedBytes;
    if (usedBytes - this.#atBeginning < GROWTH_LIMIT_BYTES) return false;
    this.#atBeginning = undefined;
    return true;
  }
}
