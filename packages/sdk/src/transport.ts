/**
 * How requests travel. The SDK needs no more of HTTP than this, so that a browser, a test or a proxy can bring its own.
 */
export interface Transport {
  /**
   * Sends one request and reads the whole reply, whatever its status. Follows no redirect: the token goes to one address
   * only. Rejects with TransportError when there is no whole reply, and with the reason of `signal` when that is aborted.
   */
  send(request: TransportRequest): Promise<TransportReply>;
  /** Closes idle connections; the transport is not used afterwards. */
  close(): void;
}

/** Makes the transport to one address (`http:` or `https:`, without query; a path is put before every request's path). */
export type ConnectTransport = (address: URL) => Transport;

/** One request, without its address. */
export interface TransportRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** Begins with a slash; encoded, with its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON, or null for none. */
  readonly body: string | null;
  readonly signal: AbortSignal | undefined;
}

/** A whole reply, whatever its status. */
export interface TransportReply {
  /** HTTP status. */
  readonly status: number;
  /** The `Retry-After` header as it came. */
  readonly retryAfter: string | null;
  readonly body: string;
}

/** Limits that every transport keeps. */
export interface TransportLimits {
  /** From the call to the last byte of the reply; default 30,000. */
  readonly timeoutMs?: number;
  /** Largest reply that is read; default 32 MiB. */
  readonly replyLimitBytes?: number;
}

/** How client and service prove who they are, over an `https:` address. All of it is PEM. */
export interface TlsOptions {
  /** CAs, one of which must have issued the certificate of the service; default: those that Node.js trusts. */
  readonly ca?: string | undefined;
  /** Certificate of the client, where the service asks for one, followed by the intermediate ones. */
  readonly cert?: string | undefined;
  /** Private key of `cert`. */
  readonly key?: string | undefined;
  /** Passphrase of `key`, if that is encrypted. */
  readonly passphrase?: string | undefined;
}

/** What the default transport can be told. */
export interface TransportOptions extends TransportLimits {
  /** Not over fetch, which takes certificates from the platform: there it is refused with TypeError. */
  readonly tls?: TlsOptions | undefined;
}

export const DEFAULT_LIMITS = { timeoutMs: 30_000, replyLimitBytes: 32 * 1024 * 1024 } as const;

/**
 * - `refused`: no connection was made, nothing was sent; it may be there in a moment.
 * - `unreachable`: no connection was made, nothing was sent; the name, the route or the kind of connection is wrong.
 * - `untrusted`: nothing was sent; the service did not prove by its certificate that it is the one that was meant.
 * - `lost`: the connection ended before the whole reply came; the request may have been done.
 * - `timeout`: no whole reply in time; the request may have been done.
 * - `too-large`: the reply is larger than the limit.
 * - `garbled`: what came back is not HTTP.
 */
export type TransportFault =
  "refused" | "unreachable" | "untrusted" | "lost" | "timeout" | "too-large" | "garbled";

/** There is no whole reply. `fault` says why, the message is for people. */
export class TransportError extends Error {
  /** Why, for programs. */
  readonly fault: TransportFault;

  constructor(fault: TransportFault, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "TransportError";
    this.fault = fault;
  }

  /** What an error of Node's network stack means, by its code: sockets of node:http, and of fetch one `cause` deeper. */
  static of(error: Error): TransportError {
    const code = codeOf(error) ?? codeOf(error.cause) ?? "";
    const said =
      error.cause instanceof Error && error.cause.message !== "" ? error.cause.message : error.message;
    return new TransportError(faultOf(code), said === "" ? code : said, error);
  }
}

const LOST = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED", "UND_ERR_SOCKET"]);
/** Codes of OpenSSL's verification, and of Node's comparison of names (https://nodejs.org/api/tls.html#x509-certificate-error-codes). */
const UNTRUSTED =
  /^(?:CERT_\w+|\w*SELF_SIGNED_CERT\w*|UNABLE_TO_\w+|INVALID_(?:CA|PURPOSE)|HOSTNAME_MISMATCH|ERR_TLS_CERT_\w+)$/;
/** Codes of failures before a connection stood; all others are taken for a loss, which is the careful answer. */
const UNREACHABLE =
  /^(?:E(?:NOTFOUND|AI_\w+|HOSTUNREACH|NETUNREACH|HOSTDOWN|ADDRNOTAVAIL|ACCES|PERM|INVAL|PROTO)|UND_ERR_CONNECT_TIMEOUT|(?:ERR_)?(?:TLS|SSL)_\w+)$/;

function faultOf(code: string): TransportFault {
  if (code === "ECONNREFUSED") return "refused";
  if (code.startsWith("HPE_")) return "garbled";
  if (LOST.has(code)) return "lost";
  if (UNTRUSTED.test(code)) return "untrusted";
  return UNREACHABLE.test(code) ? "unreachable" : "lost";
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
