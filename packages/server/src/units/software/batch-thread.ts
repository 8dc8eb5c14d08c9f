import { parentPort } from "node:worker_threads";
import { yieldToServingThreads } from "../../core/background-thread.ts";
import type { BatchAnswerMessage, BatchRequestMessage } from "./batch-call.ts";
import { runBatchCall } from "./batch-call.ts";

/**
 * Entry of the batch thread: answers one call after the other and keeps nothing between them. Master keys come with
 * each call as KeyObjects, so the thread holds no registers that could grow old. A fault ends the thread: the client
 * fails what waits and starts another.
 */
yieldToServingThreads();
parentPort?.on("message", ({ id, call }: BatchRequestMessage) => {
  const outcome = runBatchCall(call);
  const answer: BatchAnswerMessage = { id, outcome };
  parentPort?.postMessage(answer, [outcome.refusals.buffer, outcome.blobs.buffer]);
});
