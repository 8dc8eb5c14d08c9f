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

export interface TransportRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** Begins with a slash; encoded, with its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON, or null for none. */
  readonly body: string | null;
  readonly signal: AbortSignal | undefined;
}

export interface TransportReply {
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

export const DEFAULT_LIMITS = { timeoutMs: 30_000, replyLimitBytes: 32 * 1024 * 1024 } as const;

/**
 * - `refused`: no connection was made, nothing was sent; it may be there in a moment.
 * - `unreachable`: no connection was made, nothing was sent; the name, the route or the certificate is wrong.
 * - `lost`: the connection ended before the whole reply came; the request may have been done.
 * - `timeout`: no whole reply in time; the request may have been done.
 * - `too-large`: the reply is larger than the limit.
 * - `garbled`: what came back is not HTTP.
 */
export type TransportFault = "refused" | "unreachable" | "lost" | "timeout" | "too-large" | "garbled";

/** There is no whole reply. `fault` says why, the message is for people. */
export class TransportError extends Error {
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
/** Codes of failures before a connection stood; all others are taken for a loss, which is the careful answer. */
const UNREACHABLE =
  /^(?:E(?:NOTFOUND|AI_\w+|HOSTUNREACH|NETUNREACH|HOSTDOWN|ADDRNOTAVAIL|ACCES|PERM|INVAL|PROTO)|UND_ERR_CONNECT_TIMEOUT|(?:ERR_)?(?:TLS|SSL)_\w+|CERT_\w+|\w*(?:SELF_SIGNED|UNABLE_TO)\w*)$/;

function faultOf(code: string): TransportFault {
  if (code === "ECONNREFUSED") return "refused";
  if (code.startsWith("HPE_")) return "garbled";
  if (LOST.has(code)) return "lost";
  return UNREACHABLE.test(code) ? "unreachable" : "lost";
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
