import { X509Certificate } from "node:crypto";
import * as http from "node:http";
import * as https from "node:https";
import { createSecureContext } from "node:tls";
import type { SecureContext } from "node:tls";
import { DEFAULT_LIMITS, TransportError } from "./transport.ts";
import type {
  ConnectTransport,
  TlsOptions,
  Transport,
  TransportOptions,
  TransportReply,
  TransportRequest,
} from "./transport.ts";

/**
 * The transport of Node.js: node:http with connections that are kept and used again, the last used first.
 * A call costs its process about a quarter of what it costs over fetch (bench/sdk-call.ts), which matters to whoever encrypts a thousand times a second.
 */
export function connectDefault(
  options: TransportOptions & { readonly connections?: number } = {},
): ConnectTransport {
  const { timeoutMs, replyLimitBytes, connections } = { ...DEFAULT_LIMITS, connections: 256, ...options };
  const secureContext = options.tls === undefined ? undefined : secureContextOf(options.tls);
  return (address) => {
    const client = address.protocol === "https:" ? https : http;
    const agent = new client.Agent({
      keepAlive: true,
      maxSockets: connections,
      maxFreeSockets: connections,
      scheduling: "lifo",
      // Said here, so that no variable of the environment (NODE_TLS_REJECT_UNAUTHORIZED) takes it back.
      ...(client === https && { rejectUnauthorized: true, minVersion: "TLSv1.2", secureContext }),
    });
    const target = {
      agent,
      host: address.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: address.port === "" ? undefined : Number(address.port),
    };
    const prefix = address.pathname.replace(/\/$/, "");
    return {
      send: (request) =>
        send(client.request, { ...target, path: prefix + request.path }, request, timeoutMs, replyLimitBytes),
      close: () => agent.destroy(),
    } satisfies Transport;
  };
}

/** Throws TypeError for what is not PEM, or does not fit together. */
function secureContextOf({ ca, cert, key, passphrase }: TlsOptions): SecureContext {
  if ((cert === undefined) !== (key === undefined)) throw new TypeError("tls: give cert and key, or neither");
  try {
    // OpenSSL overlooks what is no certificate among the CAs, and then trusts nobody.
    if (ca !== undefined) void new X509Certificate(ca);
    return createSecureContext({ minVersion: "TLSv1.2", ca, cert, key, passphrase });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TypeError(`tls: ca, cert or key cannot be used: ${reason}`, { cause: error });
  }
}

function send(
  open: typeof http.request,
  target: http.RequestOptions,
  { method, headers, body, signal }: TransportRequest,
  timeoutMs: number,
  replyLimitBytes: number,
): Promise<TransportReply> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(asError(signal.reason));
      return;
    }
    const outgoing = open({ ...target, method, headers });
    const onAbort = () => fail(asError(signal?.reason));
    const deadline = setTimeout(
      () => fail(new TransportError("timeout", `no reply within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    const settle = () => {
      clearTimeout(deadline);
      signal?.removeEventListener("abort", onAbort);
    };
    function fail(error: Error) {
      settle();
      reject(error);
      outgoing.destroy();
    }

    signal?.addEventListener("abort", onAbort);
    outgoing.on("error", (error) => fail(TransportError.of(error)));
    outgoing.on("response", (incoming) => {
      const chunks: Buffer[] = [];
      let lengthBytes = 0;
      incoming.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        lengthBytes += chunk.length;
        if (lengthBytes > replyLimitBytes) {
          fail(new TransportError("too-large", `the reply is larger than ${replyLimitBytes} bytes`));
        }
      });
      // A reply that is cut short ends in an error of its own, which comes instead of "end".
      incoming.on("error", (error) => fail(TransportError.of(error)));
      incoming.on("end", () => {
        settle();
        const whole = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
        resolve({
          status: incoming.statusCode ?? 0,
          retryAfter: incoming.headers["retry-after"] ?? null,
          body: whole.toString("utf8"),
        });
      });
    });
    outgoing.end(body ?? undefined);
  });
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new DOMException("This operation was aborted", "AbortError");
}
