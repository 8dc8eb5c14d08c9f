import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { join } from "node:path";

/** A network between a store and its server, which may fail: on 127.0.0.1, in front of a Unix socket. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Ends every connection, and lets new ones in or not. */
  cut(options?: { readonly letIn: boolean }): void;
  /** Ends the connection of the next COMMIT: in front of the server, or when the server has answered. */
  cutAtCommit(when: "before" | "after"): void;
  /** The same for the n-th message from here on that holds the text. */
  cutAt(point: CutPoint): void;
}

export interface CutPoint {
  readonly text: string;
  readonly nth: number;
  readonly when: "before" | "after";
}

export function startProxy(socketFolder: string): Promise<Proxy> {
  return startProxyTo(join(socketFolder, ".s.PGSQL.5432"));
}

/** In front of a server of any kind. */
export async function startProxyTo(socket: string): Promise<Proxy> {
  const open = new Set<Socket>();
  let letsIn = true;
  let point: CutPoint | undefined;
  const server = createServer((near) => {
    if (!letsIn) {
      near.destroy();
      return;
    }
    const far = connect(socket);
    let cutsAtAnswer = false;
    const end = (): void => {
      near.destroy();
      far.destroy();
      open.delete(near);
    };
    open.add(near);
    for (const socket of [near, far]) socket.on("error", end).on("close", end);
    near.on("data", (bytes) => {
      if (point && bytes.includes(point.text)) {
        const { nth, when } = point;
        point = nth > 1 ? { ...point, nth: nth - 1 } : undefined;
        cutsAtAnswer = nth === 1 && when === "after";
        if (nth === 1 && when === "before") {
          end();
          return;
        }
      }
      far.write(bytes);
    });
    far.on("data", (bytes) => {
      if (cutsAtAnswer) end();
      else near.write(bytes);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = ({ letIn } = { letIn: true }): void => {
    letsIn = letIn;
    for (const socket of open) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    cutAtCommit: (when) => (point = { text: "COMMIT\0", nth: 1, when }),
    cutAt: (at) => (point = at),
    [Symbol.asyncDispose]: async () => {
      cut({ letIn: false });
      server.close();
      await once(server, "close");
    },
  };
}
