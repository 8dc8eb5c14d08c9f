import type { Command } from "commander";
import type { KeyView } from "@claviger/sdk";
import type { PageOptions } from "../command.ts";
import { inSession, moreBehind, noun, pageOrAll, verb, withPages } from "../command.ts";
import { fields, table } from "../terminal.ts";

interface InProject {
  readonly project: string;
}

export function keyCommands(program: Command): void {
  const key = noun(program, "key", "Keys of a project: what applications encrypt with");

  oneKey(key, "create", "Create an AES-256 key with its first version.").action(
    inSession(async (session, name: string, { project }: InProject) => {
      session.show(
        await session.client.keys.create({ project, name }),
        ({ id }) => `Created key ${name} (${id}).`,
      );
    }),
  );

  withPages(
    inProject(
      verb(key, "list", "List the keys of a project, one a row.", "claviger key list --project billing"),
    ),
  ).action(
    inSession(async (session, { project, ...pages }: InProject & PageOptions) => {
      const { keys } = session.client;
      const page = await pageOrAll(
        pages,
        (query) => keys.list({ project, ...query }),
        () => keys.all({ project }),
      );
      session.show(page, ({ items, next }) => {
        const rows = items.map(({ name, state, currentVersion, id }) => [
          name,
          state,
          String(currentVersion),
          id,
        ]);
        return (
          table(["NAME", "STATE", "VERSION", "ID"], rows, "There is no key in this project.") +
          moreBehind(next)
        );
      });
    }),
  );

  oneKey(
    key,
    "show",
    "Show a key: what it is for, whether it is enabled, and which version encrypts.",
  ).action(
    inSession(async (session, name: string, { project }: InProject) => {
      session.show(await session.client.keys.get({ project, key: name }), keyText);
    }),
  );

  oneKey(
    key,
    "rotate",
    "Add a version to a key and encrypt with it from now on. Ciphertexts of older versions still decrypt.",
  ).action(
    inSession(async (session, name: string, { project }: InProject) => {
      const rotated = await session.client.keys.rotate({ project, key: name });
      session.show(
        rotated,
        ({ currentVersion }) => `Key ${name} encrypts with version ${currentVersion} now.`,
      );
    }),
  );

  oneKey(key, "enable", "Enable a key again.").action(
    inSession(async (session, name: string, { project }: InProject) => {
      session.show(await session.client.keys.enable({ project, key: name }), () => `Key ${name} is enabled.`);
    }),
  );

  oneKey(key, "disable", "Disable a key. Every use of it is refused until it is enabled again.").action(
    inSession(async (session, name: string, { project }: InProject) => {
      session.show(
        await session.client.keys.disable({ project, key: name }),
        () => `Key ${name} is disabled.`,
      );
    }),
  );
}

function inProject(command: Command): Command {
  return command.requiredOption("--project <name>", "name or id of the project");
}

function oneKey(parent: Command, name: string, about: string): Command {
  return inProject(verb(parent, name, about, `claviger key ${name} main --project billing`)).argument(
    "<key>",
    name === "create" ? "1 to 64 of a-z 0-9 . - _" : "name or id of the key",
  );
}

function keyText(key: KeyView): string {
  return fields([
    ["name", key.name],
    ["id", key.id],
    ["project", key.projectId],
    ["spec", key.spec],
    ["usage", key.usage],
    ["state", key.state],
    ["version", String(key.currentVersion)],
    ["created", key.createdAt],
  ]);
}
