import type { Principal, PrincipalRecord, TokenRecord } from "./principal.ts";
import type { VouchedRows } from "./vouched-rows.ts";
import type { Clock } from "../clock.ts";
import { accessTokenHash } from "../crypto/access-token.ts";
import { timingSafeEqual } from "../crypto/timing-safe-equal.ts";
import { Failure } from "../errors.ts";
import { BoundedCache } from "../hierarchy/bounded-cache.ts";
import type { TokenStore } from "../ports/store.ts";

const LIMIT = 10_000;

export interface AuthenticationPorts {
  readonly store: Pick<TokenStore, "findTokenByHash">;
  readonly vouchedRows: VouchedRows;
  readonly clock: Clock;
}

interface Proved {
  readonly token: TokenRecord;
  readonly record: PrincipalRecord;
  readonly principal: Principal;
}

/** Tells who holds a token. What was found is cached by the hash of the token, both rows checked by their MACs when read. */
export class Authentication {
  readonly #ports: AuthenticationPorts;
  readonly #proved = new BoundedCache<Proved>(LIMIT, () => undefined);

  constructor(ports: AuthenticationPorts) {
    this.#ports = ports;
  }

  /**
   * Who holds the token now.
   * @throws Failure `unauthenticated` for a token that is not known, `token-expired`, `token-revoked`,
   * `principal-disabled`, `record-not-vouched`.
   */
  async principal(
    token: string,
  ): Promise<{ readonly principal: Principal; readonly record: PrincipalRecord }> {
    const hash = accessTokenHash(token);
    const proved = await this.#proved.use(
      Buffer.from(hash).toString("latin1"),
      () => this.#prove(hash),
      (found) => Promise.resolve(found),
    );
    if (proved.token.revokedAtMs !== undefined) throw new Failure("token-revoked");
    const { expiresAtMs } = proved.token;
    if (expiresAtMs !== undefined && this.#ports.clock.nowMs() >= expiresAtMs)
      throw new Failure("token-expired");
    if (proved.record.state !== "enabled") throw new Failure("principal-disabled");
    return proved;
  }

  /** Forgets what was proved: something was revoked. */
  forget(): void {
    this.#proved.drop(() => true);
  }

  async #prove(hash: Uint8Array): Promise<Proved> {
    const found = await this.#ports.store.findTokenByHash({ hash });
    if (!found || !timingSafeEqual(found.token.hash, hash)) throw new Failure("unauthenticated");
    const token = await this.#ports.vouchedRows.checkToken(found.token);
    const record = await this.#ports.vouchedRows.checkPrincipal(found.principal);
    if (token.principalId !== record.id) throw new Failure("unauthenticated");
    const { id, name, grants } = record;
    return { token, record, principal: { id, name, grants, token } };
  }
}
