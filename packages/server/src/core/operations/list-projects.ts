import type { ProjectRecord } from "../hierarchy/records.ts";
import { isReservedProject } from "../hierarchy/reserved-project.ts";
import type { Page, PageOf, ProjectStore } from "../ports/store.ts";

/** A page of projects. The reserved project does not exist for callers, so its page is one shorter. */
export async function listProjects(
  ports: { readonly store: Pick<ProjectStore, "listProjects"> },
  input: Page,
): Promise<PageOf<ProjectRecord>> {
  const { items, next } = await ports.store.listProjects(input);
  return { items: items.filter(({ id }) => !isReservedProject(id)), next };
}
