import type { Principal, PrincipalRecord, TokenRecord } from "./principal.ts";
import type { VouchedRows } from "./vouched-rows.ts";
import type { Clock } from "../clock.ts";
import { accessTokenHash, accessTokenName } from "../crypto/access-token.ts";
import { timingSafeEqual } from "../crypto/timing-safe-equal.ts";
import { Failure } from "../errors.ts";
import { BoundedCache } from "../hierarchy/bounded-cache.ts";
import type { PrincipalStore, TokenStore } from "../ports/store.ts";

const LIMIT = 10_000;

export interface AuthenticationPorts {
  readonly store: Pick<TokenStore, "findTokenByHash"> & Pick<PrincipalStore, "findPrincipalByCertificate">;
  readonly vouchedRows: VouchedRows;
  readonly clock: Clock;
}

/** What a request proves itself by; at least one of the two. */
export interface Credentials {
  readonly token: string | undefined;
  /** SHA-256 of the client certificate that the connection has proved, in lower-case hex. */
  readonly certificate: string | undefined;
}

interface Proved {
  /** Undefined: the certificate proved it. */
  readonly token: TokenRecord | undefined;
  readonly record: PrincipalRecord;
  readonly principal: Principal;
}

/**
 * Tells who calls:
 * - with a token, whose it is; if that principal is bound to a certificate, only over a connection that has proved it;
 * - without one, the principal that is bound to the certificate of the connection.
 * What was found is cached by the hash of the token or by the certificate, rows checked by their MACs when read.
 */
export class Authentication {
  readonly #ports: AuthenticationPorts;
  readonly #proved = new BoundedCache<Proved>(LIMIT, () => undefined);

  constructor(ports: AuthenticationPorts) {
    this.#ports = ports;
  }

  /**
   * Who calls now.
   * @throws Failure `unauthenticated` for a token or certificate that is not known, `token-expired`, `token-revoked`,
   * `certificate-mismatch`, `principal-disabled`, `record-not-vouched`.
   */
  async principal({
    token,
    certificate,
  }: Credentials): Promise<{ readonly principal: Principal; readonly record: PrincipalRecord }> {
    const name = token === undefined ? `certificate ${certificate}` : accessTokenName(token);
    const proved =
      this.#proved.find(name) ??
      (await this.#proved.use(
        name,
        () => this.#prove({ token, certificate }),
        async (found) => found,
      ));
    if (proved.token?.revokedAtMs !== undefined) throw new Failure("token-revoked");
    const expiresAtMs = proved.token?.expiresAtMs;
    if (expiresAtMs !== undefined && this.#ports.clock.nowMs() >= expiresAtMs)
      throw new Failure("token-expired");
    const bound = proved.record.certificate;
    if (bound !== undefined && bound !== certificate) throw new Failure("certificate-mismatch");
    const { record, principal } = proved;
    if (record.state !== "enabled") throw new Failure("principal-disabled");
    return certificate === undefined ? proved : { record, principal: { ...principal, certificate } };
  }

  /** Forgets what was proved: something was revoked. */
  forget(): void {
    this.#proved.drop(() => true);
  }

  async #prove({ token, certificate }: Credentials): Promise<Proved> {
    if (token !== undefined) return await this.#proveToken(accessTokenHash(token));
    if (certificate !== undefined) return await this.#proveCertificate(certificate);
    throw new Failure("unauthenticated");
  }

  async #proveToken(hash: Uint8Array): Promise<Proved> {
    const found = await this.#ports.store.findTokenByHash({ hash });
    if (!found || !timingSafeEqual(found.token.hash, hash)) throw new Failure("unauthenticated");
    const token = await this.#ports.vouchedRows.checkToken(found.token);
    const record = await this.#ports.vouchedRows.checkPrincipal(found.principal);
    if (token.principalId !== record.id) throw new Failure("unauthenticated");
    const { id, name, grants } = record;
    return { token, record, principal: { id, name, grants, token } };
  }

  async #proveCertificate(certificate: string): Promise<Proved> {
    const found = await this.#ports.store.findPrincipalByCertificate({ certificate });
    if (!found) throw new Failure("unauthenticated", "No principal is bound to this client certificate.");
    const record = await this.#ports.vouchedRows.checkPrincipal(found);
    const { id, name, grants } = record;
    return { token: undefined, record, principal: { id, name, grants, token: undefined } };
  }
}
