import { Failure } from "../errors.ts";
import type { ProjectRecord } from "../hierarchy/records.ts";
import type { Principal, Role } from "./principal.ts";
import { hasRole, hasRoleEverywhere, hasRoleIn } from "./principal.ts";

/**
 * What a route concerns: the whole `service`; one `project` or one `principal`, named in its path; or the `own` things
 * of the caller.
 */
export interface Requirement {
  readonly concern: "service" | "project" | "principal" | "own";
  /** One of these is needed; of what is its own, everybody may see what there is. */
  readonly roles: readonly Role[];
}

/** Roles whose holders see that a project exists. */
export const SEE_PROJECTS: readonly Role[] = ["administrator", "key-admin", "key-user", "auditor"];

export interface Wanted extends Requirement {
  /** Name of the route. */
  readonly route: string;
  readonly project: string | undefined;
  readonly principal: string | undefined;
}

/**
 * Admits a principal to a route, or refuses.
 *
 * - Without one of the roles anywhere it is `forbidden`, whatever it asks for.
 * - What concerns the service needs the role for the whole service; a principal may also act on itself.
 * - In a project it needs the role for that project or for the service. To who may not even see the project, one that
 *   exists and one that does not are the same `project-not-found`.
 * @throws Failure `forbidden`, `project-not-found`.
 */
export async function admit(
  findProject: (ref: string) => Promise<ProjectRecord>,
  caller: Principal,
  wanted: Wanted,
): Promise<void> {
  const { concern, roles } = wanted;
  if (concern === "own" || hasRoleEverywhere(caller, roles)) return;
  if (concern === "principal" && [caller.id, caller.name].includes(wanted.principal ?? "")) return;
  if (concern !== "project" || !hasRole(caller, roles)) throw forbidden(wanted, "");
  const project = await findProject(wanted.project ?? "");
  if (hasRoleIn(caller, roles, project.id)) return;
  if (!hasRoleIn(caller, SEE_PROJECTS, project.id)) throw projectNotFound();
  throw forbidden(wanted, " for this project");
}

/** The one refusal for a project that is not there, and for one that the caller has nothing to do with. */
export function projectNotFound(): Failure {
  return new Failure("project-not-found", "there is no such project", { field: "project" });
}

function forbidden({ route, roles }: Wanted, where: string): Failure {
  return new Failure("forbidden", `${route} needs one of these roles${where}: ${roles.join(", ")}.`);
}
