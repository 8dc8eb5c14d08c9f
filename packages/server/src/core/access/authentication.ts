import type { Principal } from "./principal.ts";
import type { VouchedRows } from "./vouched-rows.ts";
import { accessTokenHash } from "../crypto/access-token.ts";
import { timingSafeEqual } from "../crypto/timing-safe-equal.ts";
import { Failure } from "../errors.ts";
import { BoundedCache } from "../hierarchy/bounded-cache.ts";
import type { PrincipalRecord, PrincipalStore } from "../ports/store.ts";

const LIMIT = 10_000;

/** Tells who holds a token. Principals are cached by the hash of their token, each checked by its MAC when it is read. */
export class Authentication {
  readonly #ports: {
    readonly store: Pick<PrincipalStore, "findPrincipalByTokenHash">;
    readonly vouchedRows: VouchedRows;
  };
  readonly #principals = new BoundedCache<PrincipalRecord>(LIMIT, () => undefined);

  constructor(ports: { store: Pick<PrincipalStore, "findPrincipalByTokenHash">; vouchedRows: VouchedRows }) {
    this.#ports = ports;
  }

  /** @throws Failure `unauthenticated`, `record-not-vouched`. */
  principal(token: string): Promise<Principal> {
    const tokenHash = accessTokenHash(token);
    const load = async (): Promise<PrincipalRecord> => {
      const record = await this.#ports.store.findPrincipalByTokenHash({ tokenHash });
      if (!record || !timingSafeEqual(record.tokenHash, tokenHash)) throw new Failure("unauthenticated");
      return this.#ports.vouchedRows.checkPrincipal(record);
    };
    return this.#principals.use(Buffer.from(tokenHash).toString("latin1"), load, (record) =>
      Promise.resolve(record),
    );
  }
}
