import type { CensusView, ChangeView, RouteName, RouteReply, StatusView } from "@claviger/api";
import { connectDefault } from "#default-transport";
import { Audit } from "./audit.ts";
import { Backups } from "./backups.ts";
import type { CallInput, CallOptions, Line } from "./call.ts";
import { callRoute } from "./call.ts";
import { Changes } from "./changes.ts";
import { Keys } from "./keys.ts";
import { MasterKeys } from "./master-keys.ts";
import { Principals } from "./principals.ts";
import { Projects } from "./projects.ts";
import { RETRY_LIMIT } from "./retry.ts";
import type { ConnectTransport, TlsOptions } from "./transport.ts";
import { Units } from "./units.ts";
import type { Until, WaitOptions } from "./wait-for-change.ts";
import { waitForChange } from "./wait-for-change.ts";

/** Where the service is, who calls, and how. */
export interface ClavigerClientOptions {
  /** `https://keys.example.org:8440`, say; a path is put before the paths of the API. */
  readonly address: string | URL;
  /** Bearer token of a principal. Without one there are signing in, and principals that a client certificate proves (`tls`). */
  readonly token?: string | undefined;
  /** Default: node:http with kept connections, in browsers fetch; 30 s and 32 MiB for a reply. */
  readonly transport?: ConnectTransport;
  /** For an `https:` address: the CA of the service, certificate and key of the client. Not beside `transport`. */
  readonly tls?: TlsOptions | undefined;
  /** How often a call is repeated where it is safe: 0, 1 or 2; default 2. */
  readonly retries?: number;
}

/**
 * A client of Claviger's native API. One object serves any number of concurrent calls over kept connections.
 *
 * Every method rejects with {@link ClavigerError}, which carries the stable `code`, its `category`, a `message`, `advice`,
 * the `field` at fault, the `requestId` and the HTTP `status`; arguments that cannot be meant throw TypeError.
 *
 * A call is repeated at most twice, after 0.2 s and 1 s (or what Retry-After says, up to 5 s), and only where that is
 * safe: when no connection was accepted, so that nothing was sent; when Claviger answered 503, which promises that
 * nothing was done; and, for GETs, encrypt, decrypt, data-key, sign and verify, when the connection was lost.
 */
export class ClavigerClient {
  /** Projects: `create`, `list`, `all`. */
  readonly projects: Projects;
  /** Keys of projects, and what they are for: `encrypt`, `decrypt`, `generateDataKey`. */
  readonly keys: Keys;
  /** Crypto units. */
  readonly units: Units;
  /** Registers of crypto units. */
  readonly masterKeys: MasterKeys;
  /** Master-key changes. */
  readonly changes: Changes;
  /** Who may call. */
  readonly principals: Principals;
  readonly audit: Audit;
  readonly backups: Backups;
  readonly #line: Line;

  constructor({ address, token, tls, transport, retries = RETRY_LIMIT }: ClavigerClientOptions) {
    const url = new URL(address);
    if (tls !== undefined && transport !== undefined) throw new TypeError("give tls to the transport itself");
    if (tls !== undefined && url.protocol !== "https:")
      throw new TypeError(`tls is for https: addresses, and this is ${url.href}`);
    if (url.protocol !== "http:" && url.protocol !== "https:")
      throw new TypeError(`not an HTTP address: ${url.href}`);
    if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
      throw new TypeError("the token is empty or has characters that no token has");
    this.#line = {
      address: url.origin + url.pathname.replace(/\/$/, ""),
      transport: (transport ?? connectDefault({ tls }))(url),
      authorization: token === undefined ? undefined : `Bearer ${token}`,
      retries,
    };
    this.projects = new Projects(this);
    this.keys = new Keys(this);
    this.units = new Units(this);
    this.masterKeys = new MasterKeys(this);
    this.changes = new Changes(this);
    this.principals = new Principals(this);
    this.audit = new Audit(this);
    this.backups = new Backups(this);
  }

  /**
   * Calls any route of the API by its name, with exactly the input and the reply that the API document states (bytes in
   * base64). The other methods are this one with better manners.
   */
  call<R extends RouteName>(route: R, input: CallInput<R>, options?: CallOptions): Promise<RouteReply<R>> {
    return callRoute(this.#line, route, input, options);
  }

  /** Begins to sign in: the issuer, and the nonce that its ID token must have. Errors: `sign-in-not-configured`. */
  beginSignIn(): Promise<RouteReply<"beginSignIn">> {
    return this.call("beginSignIn", {});
  }

  /**
   * A token for the principal whose identity an ID token of the issuer proves; it is in the reply and nowhere else.
   * Errors: `sign-in-refused`, `identity-unknown`, `principal-disabled`, `identity-provider-unavailable`.
   */
  signIn(idToken: string): Promise<RouteReply<"signIn">> {
    return this.call("signIn", { body: { idToken } });
  }

  /** State of the service, and of the master keys of each group and type. */
  status(): Promise<StatusView> {
    return this.call("getStatus", {});
  }

  /** Wrapped project KEKs per verification pattern: the proof of a change. Default: the group `default`, type WK. */
  census(of: CallInput<"getCensus">["query"] = {}): Promise<CensusView> {
    return this.call("getCensus", { query: of });
  }

  /**
   * Waits until a change is in a state (or has gone on from it), or until a condition holds; returns it then.
   * Rejects with `change-blocked` when it stays blocked or paused for `patienceMs` (default 30 s), and with
   * `change-ended` when it ended elsewhere. A service that restarts meanwhile is waited for as long.
   */
  waitForChange(id: string, until: Until, options: WaitOptions = {}): Promise<ChangeView> {
    return waitForChange(() => this.changes.get(id, options), until, options);
  }

  /** Closes idle connections. The client is not used afterwards. */
  close(): void {
    this.#line.transport.close();
  }

  /** `close`, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}
