import type { Touched } from "../../core/audit/audit-draft.ts";
import type { ProjectRecord } from "../../core/hierarchy/records.ts";
import type { ServicePorts } from "../../core/operations/service-ports.ts";

/** Finds the project and the key that a path names, and notes what was found for the record of the request. */
export function namesIn(keys: ServicePorts["keys"]) {
  const noted = (project: ProjectRecord, touched: Touched, asked: string | undefined) => {
    touched.project = project.id;
    touched.asked = asked;
    return project;
  };
  const projectNamed = async (params: { project: string; key?: string }, touched: Touched) =>
    noted(await keys.project(params.project), touched, params.key);
  const keyNamed = async (params: { project: string; key: string }, touched: Touched) => {
    const project = noted(await keys.project(params.project), touched, params.key);
    const key = await keys.key(project.id, params.key);
    touched.key = key.id;
    touched.version = key.currentVersion;
    touched.asked = undefined;
    return { project, key };
  };

  return { projectNamed, keyNamed };
}
