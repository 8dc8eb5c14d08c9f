import { createProject } from "../../core/operations/create-project.ts";
import { listProjects } from "../../core/operations/list-projects.ts";
import type { ServicePorts } from "../../core/operations/service-ports.ts";
import { pageInput, pageView } from "./page-view.ts";
import type { NativeHandlers } from "./call.ts";
import { projectView } from "./translate.ts";

type ProjectRoute = "createProject" | "listProjects";

/** The routes of projects. */
export function projectHandlers(ports: ServicePorts): Pick<NativeHandlers, ProjectRoute> {
  return {
    createProject: async ({ body }, _caller, touched) => {
      touched.asked = body.name;
      return projectView(await createProject(ports, body));
    },
    listProjects: async ({ query }, caller) =>
      pageView(await listProjects(ports, { ...pageInput(query), caller }), projectView),
  };
}
