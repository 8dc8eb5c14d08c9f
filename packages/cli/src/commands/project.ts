import type { Command } from "commander";
import type { PageOptions } from "../command.ts";
import { inSession, moreBehind, noun, pageOrAll, verb, withPages } from "../command.ts";
import { table } from "../terminal.ts";

export function projectCommands(program: Command): void {
  const project = noun(
    program,
    "project",
    "Projects: tenants, each with a key-encryption key (KEK) of its own",
  );

  verb(
    project,
    "create",
    "Create a project and its KEK. The KEK is made inside a crypto unit and exists outside only wrapped by the master key.",
    "claviger project create billing",
  )
    .argument("<name>", "1 to 64 of a-z 0-9 . - _")
    .action(
      inSession(async (session, name: string) => {
        session.show(
          await session.client.projects.create({ name }),
          ({ id }) => `Created project ${name} (${id}).`,
        );
      }),
    );

  withPages(verb(project, "list", "List the projects, one a row.", "claviger project list")).action(
    inSession(async (session, options: PageOptions) => {
      const { projects } = session.client;
      const page = await pageOrAll(
        options,
        (query) => projects.list(query),
        () => projects.all(),
      );
      session.show(page, ({ items, next }) => {
        const rows = items.map(({ name, id, createdAt }) => [name, id, createdAt]);
        return table(["NAME", "ID", "CREATED"], rows, "There is no project.") + moreBehind(next);
      });
    }),
  );
}
