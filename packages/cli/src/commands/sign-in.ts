import type { Command } from "commander";
import { ClavigerClient, ClavigerError } from "@claviger/sdk";
import { inOpenSession, verb } from "../command.ts";
import { keepToken, keptToken, keptTokensPath } from "../kept-tokens.ts";
import { openBrowser } from "../open-browser.ts";
import { note, plain } from "../terminal.ts";

export function signInCommands(program: Command): void {
  verb(
    program,
    "sign-in",
    "Sign in with your organisation's issuer, in a browser. The token that you get ends by itself; it is kept in ~/.config/claviger/token for this address, and used where nothing else gives a token.",
    "claviger sign-in",
  )
    .option("--no-browser", "print the address, and open no browser")
    .action(
      inOpenSession(async (session, { browser }: { browser: boolean }) => {
        const { client, address } = session;
        keptToken(address, process.env); // who cannot keep a token should hear of it before the browser opens
        const begun = await client.beginSignIn();
        // Only here, for every other command would wait for what it brings with it.
        const { askIdToken } = await import("../sign-in-flow.ts");
        const idToken = await askIdToken(begun, (url) => {
          note(`Open this address in a browser on this machine, and sign in:\n\n  ${plain(url)}\n`);
          if (browser) openBrowser(url);
        });
        const { principal, record, token } = await client.signIn(idToken);
        keepToken(address, { token, tokenId: record.id, principalId: principal.id }, process.env);
        session.show({ principal, record }, () =>
          plain(`Signed in as ${principal.name} until ${record.expiresAt ?? "revoked"}.`),
        );
      }),
    );

  verb(
    program,
    "sign-out",
    "Revoke the token of your sign-in at this address, and forget it.",
    "claviger sign-out",
  ).action(
    inOpenSession(async (session) => {
      const { address, connection } = session;
      const kept = keptToken(address, process.env);
      if (kept === undefined) {
        session.show({ signedOut: false }, () => plain(`Nobody is signed in at ${address}.`));
        return;
      }
      using client = new ClavigerClient({ ...connection, token: kept.token });
      try {
        await client.principals.revokeToken(kept.principalId, kept.tokenId);
      } catch (error) {
        if (!(error instanceof ClavigerError) || !GOOD_FOR_NOTHING.has(error.code)) throw error;
      }
      keepToken(address, undefined, process.env);
      session.show({ signedOut: true }, () =>
        plain(`Signed out: the token is revoked, and gone from ${keptTokensPath(process.env)}.`),
      );
    }),
  );
}

/** With these the service says that the token opens nothing any more. */
const GOOD_FOR_NOTHING: ReadonlySet<string> = new Set([
  "unauthenticated",
  "token-expired",
  "token-revoked",
  "principal-disabled",
]);
