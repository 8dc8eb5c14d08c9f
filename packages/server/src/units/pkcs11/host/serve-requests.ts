import { Socket } from "node:net";
import { FrameError, FrameReader, FrameWriter, itemsOf, PAYLOAD_LIMIT_BYTES } from "./frames.ts";
import type { FrameItem } from "./frames.ts";
import { replyFor, STATUS } from "./outcomes.ts";

/** Where a unit host finds the pipe to its daemon. */
const PIPE = 3;

/** The operation that comes first, and once. */
export const START = 0;

/** Answers are not held back for longer, so that the daemon sees a slow token work and lets it. */
const HOLD_BACK_MS = 5;

/**
 * What a unit host does. Both are synchronous, as the module is: one request is done at a time, in the order in which
 * they came. They throw `Refusal`, `UnknownHandle` or `TokenTrouble`; anything else is a fault of the program.
 */
export interface RequestHandlers {
  /** The configuration and the PIN, wiped when this returns. */
  start(payload: Uint8Array): void;
  /** `payload` is wiped when this returns, and so is the result when it has been copied: return a copy of what you keep. */
  handle(op: number, payload: Uint8Array): Uint8Array;
}

/**
 * The main loop of a unit host. It ends when the pipe does, because then the daemon has closed it or died, and by plain
 * exit, which vendor modules bear best. Signals that a terminal sends to the daemon and all its children do not end it:
 * the daemon does, when it has no more requests.
 */
export function serveRequests(handlers: RequestHandlers): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  const reader = new FrameReader();
  const pipe: Socket = new Socket({
    fd: PIPE,
    // One buffer for all that is read, so that nothing of it stays behind in others.
    onread: {
      buffer: Buffer.allocUnsafeSlow(64 * 1024),
      callback: (bytesRead, buffer) => {
        for (const frame of reader.push(Buffer.from(buffer.buffer, buffer.byteOffset, bytesRead))) {
          answerAll(itemsOf(frame), handlers, pipe);
          frame.fill(0);
        }
        return true;
      },
    },
  });
  // A daemon that died resets the connection. What comes of it is the same.
  pipe.on("error", () => {});
  pipe.on("close", () => process.exit());
}

/** One write for the answers of a batch, or several where it takes long or has much to say. */
function answerAll(requests: readonly FrameItem[], handlers: RequestHandlers, pipe: Socket): void {
  const answers = new FrameWriter();
  let writtenMs = performance.now();
  const write = (): void => {
    const frame = answers.take();
    pipe.write(frame, () => frame.fill(0));
    writtenMs = performance.now();
  };
  for (const request of requests) {
    const { status, payload } = answerTo(request, handlers);
    if (!answers.hasRoomFor(payload)) write();
    answers.add({ id: request.id, code: status, payload });
    payload.fill(0);
    if (performance.now() - writtenMs >= HOLD_BACK_MS) write();
  }
  if (!answers.isEmpty) write();
}

function answerTo(
  { code: op, payload }: FrameItem,
  handlers: RequestHandlers,
): { readonly status: number; readonly payload: Uint8Array } {
  try {
    if (op !== START) return { status: STATUS.ok, payload: withinLimit(handlers.handle(op, payload)) };
    handlers.start(payload);
    return { status: STATUS.ok, payload: new Uint8Array(0) };
  } catch (error) {
    return replyFor(error);
  }
}

function withinLimit(result: Uint8Array): Uint8Array {
  if (result.byteLength > PAYLOAD_LIMIT_BYTES) throw new FrameError("an answer that is longer than a frame");
  return result;
}
