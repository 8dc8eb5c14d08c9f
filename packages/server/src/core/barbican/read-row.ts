import type { KekRow } from "./barbican-database.ts";
import { parsePluginMeta } from "./plugin-meta.ts";
import type { WrappedProjectKey } from "./project-key.ts";

/** What stands in a row: a project key, nothing yet, or what cannot be read, with a clause that says why. */
export type ReadRow = { readonly key: WrappedProjectKey } | "unbound" | { readonly unreadable: string };

/** A row whose bind was begun only has no key: p11_crypto makes one at the next use of its project. */
export function readRow({ pluginMeta }: Pick<KekRow, "pluginMeta">): ReadRow {
  if (pluginMeta === null) return "unbound";
  const key = parsePluginMeta(pluginMeta);
  return "refused" in key ? { unreadable: key.refused } : { key };
}

/** Whether a project uses it. Secrets point at their own row, so that one of every state is still needed. */
export type RowState = "active" | "inactive" | "soft-deleted";

export function stateOf({ isActive, isDeleted }: Pick<KekRow, "isActive" | "isDeleted">): RowState {
  if (isDeleted) return "soft-deleted";
  return isActive ? "active" : "inactive";
}
