import { connect } from "node:net";
import type { Socket } from "node:net";
import type { RecordableHistogram } from "node:perf_hooks";
import { newLatencies, recordMs } from "../../demo/load/latencies.ts";

/** One request, sent again and again as it is. */
export interface LoadTarget {
  readonly address: string;
  readonly path: string;
  readonly token: string;
  readonly body: string;
}

export interface LoadResult {
  readonly requests: number;
  readonly latencies: RecordableHistogram;
}

/**
 * Keep-alive connections, each with one request under way, for so many milliseconds. It speaks HTTP itself, as little of it as
 * the replies need, so that little of the machine goes to the client. Rejects at the first reply that is not 200.
 */
export async function closedLoop(target: LoadTarget, connections: number, ms: number): Promise<LoadResult> {
  const { hostname, port, host } = new URL(target.address);
  const request = Buffer.from(
    [
      `POST ${target.path} HTTP/1.1`,
      `host: ${host}`,
      `authorization: Bearer ${target.token}`,
      "content-type: application/json",
      `content-length: ${Buffer.byteLength(target.body)}`,
      "",
      target.body,
    ].join("\r\n"),
  );
  const latencies = newLatencies();
  const until = performance.now() + ms;
  const counts = await Promise.all(
    Array.from({ length: connections }, () =>
      askUntil(connect({ host: hostname, port: Number(port), noDelay: true }), request, until, latencies),
    ),
  );
  return { requests: counts.reduce((sum, count) => sum + count, 0), latencies };
}

function askUntil(
  socket: Socket,
  request: Uint8Array,
  until: number,
  latencies: RecordableHistogram,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let [answered, sentAt, received] = [0, 0, ""];
    const ask = (): void => {
      sentAt = performance.now();
      socket.write(request);
    };
    socket.once("connect", ask);
    socket.once("error", reject);
    socket.once("close", () => resolve(answered));
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
      if (!isWhole(received)) return;
      if (!received.startsWith("HTTP/1.1 200")) {
        socket.destroy(new Error(`a request was refused: ${received}`));
        return;
      }
      received = "";
      answered += 1;
      const now = performance.now();
      recordMs(latencies, now - sentAt);
      if (now < until) ask();
      else socket.end();
    });
  });
}

function isWhole(reply: string): boolean {
  const head = reply.indexOf("\r\n\r\n");
  if (head < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(reply.slice(0, head))?.[1];
  return length !== undefined && reply.length >= head + 4 + Number(length);
}
