import type { Command } from "commander";
import { Option } from "commander";
import type { KeyView } from "@claviger/sdk";
import { ClavigerError, KEY_SPECS } from "@claviger/sdk";
import type { PageOptions } from "../command.ts";
import { inSession, moreBehind, noun, pageOrAll, verb, wholeNumber, withPages } from "../command.ts";
import { readMaterial } from "../payload-files.ts";
import type { Session } from "../session.ts";
import { fields, table } from "../terminal.ts";

interface InProject {
  readonly project: string;
}
interface PublicOptions {
  readonly keyVersion?: number;
  readonly jwk?: boolean;
}
interface Destroyed {
  readonly destroyed?: boolean;
}

export function keyCommands(program: Command): void {
  const key = noun(program, "key", "Keys of a project: what applications encrypt with");

  oneKey(
    key,
    "create",
    "Create a key with its first version. A key of AES_256 encrypts; keys of the other specs sign.",
  )
    .addOption(new Option("--spec <spec>", "default: AES_256").choices(KEY_SPECS))
    .action(
      inSession(async (session, name: string, { project, spec }: InProject & { spec?: KeyView["spec"] }) => {
        session.show(
          await session.client.keys.create({ project, name, spec }),
          ({ id }) => `Created key ${name} (${id}).`,
        );
      }),
    );

  withPages(
    inProject(
      verb(key, "list", "List the keys of a project, one a row.", "claviger key list --project billing"),
    ).option("--destroyed", "with the keys that were destroyed, which have no name any more to be used by"),
  ).action(
    inSession(async (session, { project, destroyed, ...pages }: InProject & Destroyed & PageOptions) => {
      const { keys } = session.client;
      const include = destroyed === true ? "destroyed" : undefined;
      const page = await pageOrAll(
        pages,
        (query) => keys.list({ project, include, ...query }),
        () => keys.all({ project, include }),
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
    "Add a version to a key, to encrypt or sign with from now on. What older versions encrypted still decrypts, and what they signed still verifies.",
  ).action(
    inSession(async (session, name: string, { project }: InProject) => {
      const rotated = await session.client.keys.rotate({ project, key: name });
      session.show(
        rotated,
        ({ usage, currentVersion }) =>
          `Key ${name} ${usage === "SIGN_VERIFY" ? "signs" : "encrypts"} with version ${currentVersion} now.`,
      );
    }),
  );

  inProject(
    verb(
      key,
      "import",
      "Import 32 bytes of your own as the material of a key. A key of that name is created, or gets its next version if its material was imported before. The bytes are wrapped here, for a public key whose private half stays in the crypto units.",
      "head -c 32 /dev/urandom > own.key && claviger key import main --project billing --material-file own.key",
    ),
  )
    .argument("<key>", "1 to 64 of a-z 0-9 . - _")
    .requiredOption("--material-file <file>", "32 raw bytes; - reads them from stdin")
    .action(
      inSession(
        async (session, name: string, { project, materialFile }: InProject & { materialFile: string }) => {
          const material = await readMaterial(materialFile);
          try {
            await createUnlessThere(session, project, name);
            const imported = await session.client.keys.importMaterial({ project, key: name, material });
            session.show(
              imported,
              ({ id, currentVersion }) => `Imported version ${currentVersion} of key ${name} (${id}).`,
            );
          } finally {
            material.fill(0);
          }
        },
      ),
    );

  oneKey(
    key,
    "export-public",
    "Print the public key of a key that signs, as PEM, so that anybody can verify without the service.",
  )
    .option("--key-version <number>", "default: the current one", wholeNumber(1, 0xffff_ffff))
    .option("--jwk", "print it as a JWK")
    .action(
      inSession(async (session, name: string, { project, keyVersion, jwk }: InProject & PublicOptions) => {
        const exported = await session.client.keys.exportPublic({ project, key: name, version: keyVersion });
        session.show(exported, (shown) => (jwk === true ? JSON.stringify(shown.jwk) : shown.pem.trimEnd()));
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

  oneKey(
    key,
    "schedule-deletion",
    "Destroy a key when a waiting time is over. Every use of it is refused from now on, which tells you in time who still needs it; then its material is overwritten, and what it encrypted is lost for ever.",
  )
    .option("--days <number>", "waiting time, 7 to 30 (default: 30)", wholeNumber(7, 30))
    .action(
      inSession(async (session, name: string, { project, days }: InProject & { readonly days?: number }) => {
        session.show(
          await session.client.keys.scheduleDeletion({ project, key: name, days }),
          ({ deletionAt }) =>
            `Key ${name} will be destroyed at ${deletionAt ?? "?"}.\n  until then: claviger key cancel-deletion ${name} --project ${project}`,
        );
      }),
    );

  oneKey(
    key,
    "cancel-deletion",
    "Take the scheduled deletion of a key back. The key is disabled then; enable it to use it again.",
  ).action(
    inSession(async (session, name: string, { project }: InProject) => {
      session.show(
        await session.client.keys.cancelDeletion({ project, key: name }),
        () =>
          `Key ${name} will not be destroyed. It is disabled.\n  next: claviger key enable ${name} --project ${project}`,
      );
    }),
  );
}

/** A key that is there already may be what an import that was interrupted has left, or wait for its next version. */
async function createUnlessThere({ client }: Session, project: string, name: string): Promise<void> {
  try {
    await client.keys.create({ project, name, origin: "imported" });
  } catch (error) {
    if (!(error instanceof ClavigerError && error.code === "key-exists")) throw error;
  }
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
    ["origin", key.origin],
    ["state", key.state],
    ["version", String(key.currentVersion)],
    ["created", key.createdAt],
    ["to be destroyed", key.destroyedAt === null ? key.deletionAt : null],
    ["destroyed", key.destroyedAt],
  ]);
}
