import type { Touched } from "../../core/audit/audit-draft.ts";
import type { ServicePorts } from "../../core/operations/service-ports.ts";

/** Finds the project and the key that a path names, and notes what was found for the record of the request. */
export function namesIn(keys: ServicePorts["keys"]) {
  const projectNamed = async (params: { project: string; key?: string }, touched: Touched) => {
    const project = await keys.project(params.project);
    touched.project = project.id;
    touched.asked = params.key;
    return project;
  };
  const keyNamed = async (params: { project: string; key: string }, touched: Touched) => {
    const project = await projectNamed(params, touched);
    const key = await keys.key(project.id, params.key);
    touched.key = key.id;
    touched.version = key.currentVersion;
    touched.asked = undefined;
    return { project, key };
  };

  return { projectNamed, keyNamed };
}
