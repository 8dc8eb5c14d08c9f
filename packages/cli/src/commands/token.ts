import type { Command } from "commander";
import { Option } from "commander";
import type { TokenView } from "@claviger/sdk";
import { inSession, noun, verb } from "../command.ts";
import { duration } from "../duration.ts";
import { note, plain, table } from "../terminal.ts";

export function tokenCommands(program: Command): void {
  const token = noun(program, "token", "Tokens: what principals prove themselves by");

  verb(
    token,
    "create",
    "Give a principal another token. It is printed once and kept nowhere. One that you make for yourself ends with the token you call with, if that ends.",
    "claviger token create shop-service --expires-in 90d --label production",
  )
    .argument("<principal>", "name or id")
    .option("--label <text>", "what it is for")
    .addOption(
      new Option("--expires-in <time>", "when it ends, as 12h, 90d (default: never)").argParser(duration),
    )
    .action(
      inSession(async (session, of: string, options: { label?: string; expiresIn?: number }) => {
        const made = await session.client.principals.createToken(of, {
          ...(options.label !== undefined && { label: options.label }),
          ...(options.expiresIn !== undefined && { expiresInSeconds: options.expiresIn }),
        });
        session.show(made, ({ token: text }) => text);
        if (!session.json) {
          const { id, expiresAt } = made.record;
          note(
            plain(
              `Created token ${id}; it ${expiresAt === null ? "does not expire" : `ends at ${expiresAt}`}.`,
            ),
          );
        }
      }),
    );

  verb(
    token,
    "list",
    "List the tokens of a principal, without what is secret in them.",
    "claviger token list shop-service",
  )
    .argument("<principal>", "name or id")
    .action(
      inSession(async (session, of: string) => {
        session.show({ items: await session.client.principals.listTokens(of) }, ({ items }) =>
          tokenTable(items),
        );
      }),
    );

  verb(
    token,
    "revoke",
    "Revoke a token, at once and for ever.",
    "claviger token revoke shop-service 3e1f6c1e-6a0e-4a43-9c2b-0b6c5b1b9a10",
  )
    .argument("<principal>", "name or id")
    .argument("<token>", "id of the token, as `token list` shows it")
    .action(
      inSession(async (session, of: string, id: string) => {
        session.show(await session.client.principals.revokeToken(of, id), (one) => tokenTable([one]));
      }),
    );
}

function tokenTable(items: readonly TokenView[]): string {
  const rows = items.map((one) => [one.id, one.state, one.label || "-", one.createdAt, one.expiresAt ?? "-"]);
  return table(["ID", "STATE", "LABEL", "CREATED", "EXPIRES"], rows, "The principal has no token.");
}
