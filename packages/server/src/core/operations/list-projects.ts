import { SEE_PROJECTS } from "../access/admission.ts";
import type { Principal } from "../access/principal.ts";
import { hasRoleEverywhere, hasRoleIn } from "../access/principal.ts";
import type { ProjectRecord } from "../hierarchy/records.ts";
import { isReservedProject } from "../hierarchy/reserved-project.ts";
import type { ProjectStore } from "../ports/store.ts";
import type { Page, PageOf } from "../ports/store-call.ts";

/**
 * The projects that the caller may see: a page of all, or, in one page, those for which it has a role. The reserved
 * project does not exist for callers, so its page is one shorter.
 */
export async function listProjects(
  ports: { readonly store: Pick<ProjectStore, "listProjects" | "findProject"> },
  input: Page & { readonly caller: Principal },
): Promise<PageOf<ProjectRecord>> {
  const { caller, ...page } = input;
  if (!hasRoleEverywhere(caller, SEE_PROJECTS)) {
    const items: ProjectRecord[] = [];
    for (const ref of new Set(caller.grants.flatMap(({ projectId }) => projectId ?? []))) {
      const project = await ports.store.findProject({ ref });
      if (project && hasRoleIn(caller, SEE_PROJECTS, project.id)) items.push(project);
    }
    return { items, next: undefined };
  }
  const { items, next } = await ports.store.listProjects(page);
  return { items: items.filter(({ id }) => !isReservedProject(id)), next };
}
