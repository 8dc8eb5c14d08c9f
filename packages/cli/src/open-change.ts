import type { ChangeView, ClavigerClient } from "@claviger/sdk";
import { ClavigerError, isOpen } from "@claviger/sdk";
import { UsageError } from "./exit-status.ts";

/**
 * The id that was given, else that of the one change that can be meant: the only one that is open, or, for verbs that
 * concern a finished change too, the newest where none is open and one is DONE. Refused where that is not exactly one.
 */
export async function meantChange(
  client: ClavigerClient,
  id: string | undefined,
  finishedToo = false,
): Promise<string> {
  if (id !== undefined) return id;
  const changes = await Array.fromAsync(client.changes.all());
  const open = changes.filter(isOpen);
  const meant =
    open.length === 0 && finishedToo ? newestOfEach(changes).filter(({ state }) => state === "DONE") : open;
  if (meant.length === 1 && meant[0] !== undefined) return meant[0].id;
  if (meant.length > 1) {
    const list = meant
      .map((change) => `${change.id} (${change.group}, ${change.type}, ${change.state})`)
      .join(", ");
    throw new UsageError(`Several changes can be meant: ${list}.`, "Give the id of one.");
  }
  throw new ClavigerError({
    code: "change-not-found",
    category: "precondition",
    message: "No master-key change is open.",
    advice: "Give an id of `claviger change list`, or open one with `claviger change create`.",
  });
}

/** The newest change that was not canceled of each group and type; the list has the newest first. */
function newestOfEach(changes: readonly ChangeView[]): ChangeView[] {
  const newest = new Map<string, ChangeView>();
  for (const change of changes.filter(({ state }) => state !== "CANCELED")) {
    const place = `${change.group} ${change.type}`;
    if (!newest.has(place)) newest.set(place, change);
  }
  return [...newest.values()];
}
