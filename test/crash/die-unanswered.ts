import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import type { WriterCall } from "./call-kind.ts";
import { kindOf } from "./call-kind.ts";

/*
 * Loaded into every thread of a daemon before its own code (`--import`): the thread that writes the store ends itself
 * behind the COMMIT of a call and in front of its answer, once for each kind of call. The folder in which it notes the
 * kinds that it has died of stands behind the name of this file.
 */
const folder = fileURLToPath(new URL(`file://${new URL(import.meta.url).search.slice(1)}`));

if (parentPort && (workerData as { readonly readOnly?: boolean } | null)?.readOnly === false) {
  const port = parentPort;
  let current: WriterCall | "close" = "close";
  const on = port.on.bind(port) as (
    event: string,
    listener: (call: WriterCall | "close") => void,
  ) => typeof port;
  const post = port.postMessage.bind(port);
  Object.assign(port, {
    on: (event: string, listener: (call: WriterCall | "close") => void) =>
      on(event, (call) => {
        current = call;
        listener(call);
      }),
    postMessage: (answer: object) => {
      if (current !== "close" && current.name !== "dropLeases" && "result" in answer) {
        const note = join(folder, kindOf(current));
        if (!existsSync(note)) {
          writeFileSync(note, "");
          process.exit(1); // of this thread alone
        }
      }
      post(answer);
    },
  });
}
