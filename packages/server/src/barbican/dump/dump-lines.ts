import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { PassThrough } from "node:stream";
import { createGunzip } from "node:zlib";
import { Failure } from "../../core/errors.ts";

/** Of a line: more than any server takes in one statement. */
const MAX_LINE_CHARACTERS = 134_217_728;
const GZIP = [0x1f, 0x8b];

/** A refusal of a dump. What cannot be read is never counted as nothing. */
export function unreadable(path: string, complaint: string): Failure {
  return new Failure("barbican-database-unsuitable", `${path} ${complaint}.`);
}

/**
 * The lines of a text dump, gzip'd or not, in constant memory.
 * @throws Failure `barbican-database-unsuitable` where it is no text, or damaged.
 */
export async function* dumpLines(path: string, head: Uint8Array): AsyncGenerator<string> {
  const isCompressed = head[0] === GZIP[0] && head[1] === GZIP[1];
  const bytes = new PassThrough();
  const flow = isCompressed
    ? pipeline(createReadStream(path), createGunzip(), bytes)
    : pipeline(createReadStream(path), bytes);
  // Its error comes out of `bytes` too, where it is waited for.
  flow.then(undefined, () => undefined);
  try {
    yield* linesOf(bytes, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof Failure || code === undefined) throw error;
    throw unreadable(path, `cannot be read to its end (${code})`);
  } finally {
    bytes.destroy();
  }
}

async function* linesOf(bytes: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let open = "";
  let isFirst = true;
  for await (const chunk of bytes) {
    if (isFirst) refuseForms(chunk, path);
    isFirst = false;
    if (chunk.includes(0)) throw unreadable(path, "is no text: unpack it, or dump the database as SQL");
    const lines = (open + decoder.decode(chunk, { stream: true })).split("\n");
    open = lines.pop() ?? "";
    if (open.length > MAX_LINE_CHARACTERS) throw unreadable(path, "has a line that is too long");
    yield* lines;
  }
  yield open;
}

/** Forms that are told by how they begin, also within gzip. */
function refuseForms(chunk: Uint8Array, path: string): void {
  const begin = Buffer.from(chunk.subarray(0, 16)).toString("latin1");
  if (begin.startsWith("PGDMP"))
    throw unreadable(
      path,
      "is in the custom form of pg_dump: turn it into SQL with `pg_restore -f dump.sql`",
    );
  if (begin.startsWith("SQLite format 3"))
    throw unreadable(path, "is a packed file of SQLite: unpack it first");
}
