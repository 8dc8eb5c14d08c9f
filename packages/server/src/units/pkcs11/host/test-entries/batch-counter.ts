import { Socket } from "node:net";
import type { FrameItem } from "../frames.ts";
import { FrameReader, FrameWriter, itemsOf } from "../frames.ts";

/**
 * A unit host that answers each request with two bytes: how many were in its frame, and how many frames were there
 * unanswered. It takes its time over a frame, so that all that the daemon would send has come.
 */
const reader = new FrameReader();
const writer = new FrameWriter();
const unanswered: FrameItem[][] = [];

const pipe = new Socket({ fd: 3 });
pipe.on("data", (chunk: Buffer) => unanswered.push(...reader.push(chunk).map(itemsOf)));
pipe.on("close", () => process.exit());

setInterval(() => {
  const frames = unanswered.length;
  const items = unanswered.shift();
  if (!items) return;
  for (const { id } of items) writer.add({ id, code: 0, payload: Uint8Array.of(items.length, frames) });
  pipe.write(writer.take());
}, 10);
