import { getPriority } from "node:os";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";

test.runIf(process.platform === "linux")(
  "a background thread gives way, and the thread that started it does not",
  async () => {
    const before = getPriority();
    const module = new URL("./background-thread.ts", import.meta.url).href;
    const source = `
      import { getPriority } from "node:os";
      import { parentPort } from "node:worker_threads";
      import { yieldToServingThreads } from ${JSON.stringify(module)};
      yieldToServingThreads();
      parentPort.postMessage(getPriority());`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
    const [inThread] = (await once(worker, "message")) as [number];
    expect(inThread).toBeGreaterThan(before);
    expect(getPriority()).toBe(before);
  },
);
