import { lstatSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "./finding.ts";
import { finding } from "./finding.ts";

const SHOWN = 5;

/**
 * Whether modes and owners of everything in the data folder let nobody but the daemon's user in: the owner of the folder.
 * Only looks: no file is opened, because closing daemon.lock would matter to a daemon in this process.
 */
export function checkFiles(dataFolder: string): Finding {
  const complaints = [...complaintsOf(dataFolder, statSync(dataFolder).uid)];
  if (complaints.length === 0)
    return finding("files", "ok", "everything in the data folder is for its owner only");
  const shown = complaints.slice(0, SHOWN).join("; ");
  const more = complaints.length > SHOWN ? `; and ${complaints.length - SHOWN} more` : "";
  return finding(
    "files",
    "broken",
    shown + more,
    "Find out who could read them; then `chmod -R go= ` and `chown -R` the data folder to the daemon's user.",
  );
}

function* complaintsOf(path: string, ownerId: number): Generator<string> {
  const link = lstatSync(path);
  const stats = link.isSymbolicLink() ? statSync(path, { throwIfNoEntry: false }) : link;
  if (stats === undefined) {
    yield `${path} is a link to nothing`;
    return;
  }
  const mode = stats.mode & 0o777;
  if (stats.uid !== ownerId) yield `${path} belongs to user ${stats.uid}, not ${ownerId}`;
  if ((mode & 0o077) !== 0) yield `${path} is open to others (mode ${mode.toString(8).padStart(4, "0")})`;
  if (!stats.isDirectory()) return;
  const names = namesIn(path);
  if (names === undefined) {
    yield `${path} cannot be read by this user`;
    return;
  }
  for (const name of names) yield* complaintsOf(join(path, name), ownerId);
}

function namesIn(path: string): string[] | undefined {
  try {
    return readdirSync(path).toSorted();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return undefined;
    throw error;
  }
}
