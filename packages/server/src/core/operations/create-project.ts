import type { Clock } from "../clock.ts";
import { uuid } from "../crypto/random.ts";
import { Failure } from "../errors.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../ids.ts";
import type { KekId, ProjectId } from "../ids.ts";
import { makeKek } from "../hierarchy/make-kek.ts";
import type { MakeKekPorts } from "../hierarchy/make-kek.ts";
import type { ProjectRecord } from "../hierarchy/records.ts";
import type { ProjectStore } from "../ports/store.ts";

/**
 * Creates a project and its KEK.
 * @throws Failure `project-exists`, and those of `makeKek`.
 */
export async function createProject(
  ports: MakeKekPorts & { readonly store: Pick<ProjectStore, "createProject">; readonly clock: Clock },
  input: { readonly name: string; readonly id?: ProjectId },
): Promise<ProjectRecord> {
  const project: ProjectRecord = {
    id: input.id ?? (uuid() as ProjectId),
    name: input.name,
    kekId: uuid() as KekId,
    createdAtMs: ports.clock.nowMs(),
  };
  const binding = { group: DEFAULT_GROUP, type: DEFAULT_TYPE, projectId: project.id, kekId: project.kekId };
  await makeKek(ports, binding, async (kek) => {
    const outcome = await ports.store.createProject({ project, kek });
    if (outcome === "name-taken") throw new Failure("project-exists", undefined, { field: "name" });
    return outcome === "created" ? "kept" : outcome;
  });
  return project;
}
