import { DEFAULT_LIMITS, TransportError } from "./transport.ts";
import type { ConnectTransport, TransportLimits, TransportOptions, TransportReply } from "./transport.ts";

/** The transport of browsers, and of whoever has a reason to send through `fetch`. Rejects as Transport says. */
export function fetchTransport(limits: TransportLimits = {}): ConnectTransport {
  const { timeoutMs, replyLimitBytes } = { ...DEFAULT_LIMITS, ...limits };
  return (address) => {
    const base = address.href.replace(/\/$/, "");
    return {
      async send({ method, path, headers, body, signal }): Promise<TransportReply> {
        const deadline = AbortSignal.timeout(timeoutMs);
        try {
          const reply = await fetch(base + path, {
            method,
            headers: { ...headers },
            body,
            redirect: "manual",
            signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
          });
          return {
            status: reply.status,
            retryAfter: reply.headers.get("retry-after"),
            body: await bounded(reply, replyLimitBytes),
          };
        } catch (error) {
          if (signal?.aborted === true || error instanceof TransportError || !(error instanceof Error))
            throw error;
          if (deadline.aborted)
            throw new TransportError("timeout", `no reply within ${timeoutMs / 1000} s`, error);
          throw TransportError.of(error);
        }
      },
      close: () => undefined, // the platform keeps the connections
    };
  };
}

/** In browsers `fetch` keeps the reason of a failure to itself: TransportError.of calls that a loss, the careful answer. */
export function connectDefault({ tls, ...limits }: TransportOptions = {}): ConnectTransport {
  if (tls !== undefined)
    throw new TypeError("tls: fetch takes certificates from the platform, not from here");
  return fetchTransport(limits);
}

async function bounded(reply: Response, limitBytes: number): Promise<string> {
  if (reply.body === null) return "";
  const decoder = new TextDecoder();
  const reader = reply.body.getReader();
  let text = "";
  for (let lengthBytes = 0; ;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    lengthBytes += value.length;
    if (lengthBytes > limitBytes) {
      await reader.cancel();
      throw new TransportError("too-large", `the reply is larger than ${limitBytes} bytes`);
    }
    text += decoder.decode(value, { stream: true });
  }
}
