import type { Command } from "commander";
import { Option } from "commander";
import type { Role } from "@claviger/sdk";
import { ROLES } from "@claviger/sdk";
import { inSession, noun, verb } from "../command.ts";
import { note, plain, table } from "../terminal.ts";

export function principalCommands(program: Command): void {
  const principal = noun(program, "principal", "Principals: who may call, and with which roles");

  verb(
    principal,
    "create",
    "Create a principal with one or more roles. Its token is printed once and kept nowhere: send it on a safe way, to a file that only its owner may read.",
    "claviger principal create ops-anna --role operator --role custodian",
  )
    .argument("<name>", "1 to 64 of a-z 0-9 . - _")
    .addOption(new Option("--role <role...>", "role; may be repeated").choices(ROLES).makeOptionMandatory())
    .action(
      inSession(async (session, name: string, { role }: { role: Role[] }) => {
        const created = await session.client.principals.create({ name, roles: [...new Set(role)] });
        session.show(created, ({ token }) => token);
        if (!session.json) {
          const { id, roles } = created.principal;
          note(
            plain(
              `Created principal ${name} (${id}) with ${roles.join(", ")}. Its token is shown this once.`,
            ),
          );
        }
      }),
    );

  verb(principal, "list", "List the principals and their roles.", "claviger principal list").action(
    inSession(async (session) => {
      session.show({ items: await session.client.principals.list() }, ({ items }) => {
        const rows = items.map(({ name, roles, id, createdAt }) => [name, roles.join(", "), id, createdAt]);
        return table(["NAME", "ROLES", "ID", "CREATED"], rows, "There is no principal.");
      });
    }),
  );
}
