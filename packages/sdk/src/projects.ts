import type { ProjectView } from "@claviger/api";
import type { CallInput } from "./call.ts";
import type { Caller, PageQuery } from "./caller.ts";
import { WHOLE_PAGE } from "./caller.ts";
import type { Page } from "./pages.ts";
import { eachItem } from "./pages.ts";

/** Projects: tenants, each with a KEK of its own. */
export class Projects {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Creates a project and its KEK. Errors: `project-exists`, `mutations-frozen`. */
  create(project: CallInput<"createProject">["body"]): Promise<ProjectView> {
    return this.#caller.call("createProject", { body: project });
  }

  /** One page of the projects. */
  list(page: PageQuery = {}): Promise<Page<ProjectView>> {
    return this.#caller.call("listProjects", { query: page });
  }

  /** Every project. */
  all(): AsyncGenerator<ProjectView, void, undefined> {
    return eachItem((after) => this.list({ limit: WHOLE_PAGE, after }));
  }
}
