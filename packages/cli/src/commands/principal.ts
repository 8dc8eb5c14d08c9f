import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import type { PrincipalView, Role } from "@claviger/sdk";
import { PROJECT_ROLES, ROLES } from "@claviger/sdk";
import type { PageOptions } from "../command.ts";
import { inSession, moreBehind, noun, pageOrAll, verb, wholeNumber, withPages } from "../command.ts";
import { duration } from "../duration.ts";
import { note, plain, table } from "../terminal.ts";
import { proofCommands } from "./principal-proofs.ts";

interface Grant {
  readonly role: Role;
  readonly project?: string;
}

export function principalCommands(program: Command): void {
  const principal = noun(program, "principal", "Principals: who may call, and with which roles");

  verb(
    principal,
    "create",
    "Create a principal with one or more roles. Its first token is printed once and kept nowhere: send it on a safe way, to a file that only its owner may read.",
    "claviger principal create ops-anna --person --role operator --role key-user:billing",
  )
    .argument("<name>", "1 to 64 of a-z 0-9 . - _")
    .addOption(
      new Option(
        "--role <role[:project]...>",
        `role, for the whole service or for one project; may be repeated: ${ROLES.join(", ")}`,
      )
        .argParser<Grant[] | undefined>((value, before) => [...(before ?? []), typedGrant(value)])
        .makeOptionMandatory(),
    )
    .option("--person", "it is a person, not a service")
    .addOption(
      new Option("--expires-in <time>", "when its first token ends, as 12h, 90d").argParser(duration),
    )
    .action(
      inSession(
        async (session, name: string, options: { role: Grant[]; person?: boolean; expiresIn?: number }) => {
          const created = await session.client.principals.create({
            name,
            kind: options.person === true ? "person" : "service",
            grants: options.role,
            ...(options.expiresIn !== undefined && { expiresInSeconds: options.expiresIn }),
          });
          session.show(created, ({ token }) => token);
          if (!session.json) {
            const { id } = created.principal;
            note(
              plain(
                `Created principal ${name} (${id}) with ${roles(created.principal)}. Its token is shown this once.`,
              ),
            );
          }
        },
      ),
    );

  withPages(
    verb(principal, "list", "List the principals and their roles.", "claviger principal list"),
  ).action(
    inSession(async (session, options: PageOptions) => {
      const { principals } = session.client;
      const page = await pageOrAll(
        options,
        (query) => principals.list(query),
        () => principals.all(),
      );
      session.show(page, ({ items, next }) => principalTable(items) + moreBehind(next));
    }),
  );

  verb(
    principal,
    "show",
    "Show a principal; without a name, who you are.",
    "claviger principal show ops-anna",
  )
    .argument("[principal]", "name or id")
    .action(
      inSession(async (session, name?: string) => {
        const { principals } = session.client;
        const shown = name === undefined ? await principals.whoAmI() : await principals.get(name);
        session.show(shown, (one) => principalTable([one]));
      }),
    );

  for (const [name, about] of [
    ["enable", "Let a principal call again."],
    ["disable", "Refuse every request of a principal, at once, whatever token it has. Nothing is deleted."],
  ] as const) {
    verb(principal, name, about, `claviger principal ${name} ops-anna`)
      .argument("<principal>", "name or id")
      .action(
        inSession(async (session, of: string) => {
          session.show(await session.client.principals[name](of), (one) => principalTable([one]));
        }),
      );
  }

  verb(
    principal,
    "limit",
    "Limit the requests of a principal. Without a number it has the limit of the configuration again.",
    "claviger principal limit batch --per-second 200",
  )
    .argument("<principal>", "name or id")
    .addOption(new Option("--per-second <number>", "requests a second").argParser(wholeNumber(1, 1_000_000)))
    .action(
      inSession(async (session, of: string, { perSecond }: { perSecond?: number }) => {
        session.show(await session.client.principals.limit(of, perSecond), (one) => principalTable([one]));
      }),
    );

  proofCommands(principal);
}

export function roleCommands(program: Command): void {
  const role = noun(program, "role", "Roles of principals");
  for (const [name, call, about] of [
    ["grant", "grant", "Give a principal a role, for the whole service or for one project."],
    ["withdraw", "withdraw", "Take a role from a principal, at once."],
  ] as const) {
    verb(role, name, about, `claviger role ${name} shop-service key-user:billing`)
      .argument("<principal>", "name or id")
      .argument("<role[:project]>", `one of ${ROLES.join(", ")}`, typedGrant)
      .action(
        inSession(async (session, of: string, grant: Grant) => {
          session.show(await session.client.principals[call](of, grant), (one) => principalTable([one]));
        }),
      );
  }
  verb(role, "list", "List the roles that there are, and what each is for.", "claviger role list").action(
    inSession((session) => {
      const items = ROLES.map((name) => ({
        role: name,
        about: ROLE_MEANING[name],
        perProject: PROJECT_ROLES.some((one) => one === name),
      }));
      session.show({ items }, () => {
        const rows = items.map((one) => [one.role, one.perProject ? "yes" : "-", one.about]);
        return table(["ROLE", "PER PROJECT", "MAY"], rows, "");
      });
      return Promise.resolve();
    }),
  );
}

const ROLE_MEANING = {
  administrator: "do everything, and alone create principals and change their roles",
  custodian: "fill, commit and clear NEW; activate and approve changes",
  operator: "add and remove crypto units; open, drive and cancel changes",
  "key-admin": "create projects and keys; rotate, enable and disable keys, without using them",
  "key-user": "encrypt, decrypt and take data keys",
  auditor: "read everything that can be read",
} as const satisfies Record<Role, string>;

/** `role` or `role:project`. */
function typedGrant(value: string): Grant {
  const [name = "", project, ...more] = value.split(":");
  const role = ROLES.find((one) => one === name);
  if (role === undefined || more.length > 0 || project === "")
    throw new InvalidArgumentError(`It must be role or role:project, with one of ${ROLES.join(", ")}.`);
  return project === undefined ? { role } : { role, project };
}

function roles({ grants }: PrincipalView): string {
  return (
    grants.map(({ role, project }) => (project === null ? role : `${role}:${project}`)).join(", ") || "-"
  );
}

function principalTable(items: readonly PrincipalView[]): string {
  const rows = items.map((one) => [
    one.name,
    one.kind,
    one.state,
    roles(one),
    one.requestsPerSecond === null ? "-" : `${one.requestsPerSecond}/s`,
    one.id,
  ]);
  return table(["NAME", "KIND", "STATE", "ROLES", "LIMIT", "ID"], rows, "There is no principal.");
}
