import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { errorCode, readWhole, removeLeftovers, writeDurably, writeFailure } from "./durable-file.ts";

/**
 * A small file of two halves that say the same, each of one length and whole in itself. It is written over in its place, the
 * first half synced before the second is touched: a crash leaves at least one of them whole, and no other file appears
 * beside it, for a copy of the folder that is made meanwhile to stumble over. Who damages one half gains nothing: the
 * other is as new.
 * @throws Failure `store-full`, `store-read-only`, `unit-unreachable`.
 */
export async function writeMirrored(path: string, half: Uint8Array): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path, "r+");
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw writeFailure(error, dirname(path));
    await removeLeftovers(path);
    await writeDurably(path, Buffer.concat([half, half]), { replace: false });
    return;
  }
  try {
    for (const at of [0, half.byteLength]) {
      await file.write(half, 0, half.byteLength, at);
      await file.datasync();
    }
    if ((await file.stat()).size > 2 * half.byteLength) await file.truncate(2 * half.byteLength);
  } catch (error) {
    throw writeFailure(error, dirname(path));
  } finally {
    await file.close();
  }
}

/**
 * The halves, the first of which is never older than the second; what is too short is in neither.
 * @throws Failure `unit-missing` when there is no file, `unit-unreachable`, `unit-file-tampered` when it is larger.
 */
export async function readMirrored(path: string, lengthBytes: number): Promise<readonly Uint8Array[]> {
  const { bytes } = await readWhole(path, 2 * lengthBytes, "unit-missing");
  return [bytes.subarray(0, lengthBytes), bytes.subarray(lengthBytes)];
}
