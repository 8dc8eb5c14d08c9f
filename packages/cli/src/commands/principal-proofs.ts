import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { inSession, verb } from "../command.ts";
import { UsageError } from "../exit-status.ts";
import { plain } from "../terminal.ts";
import type { PrincipalView } from "@claviger/sdk";

/** Verbs of the noun `principal` for what a principal proves itself by besides a token. */
export function proofCommands(principal: Command): void {
  verb(
    principal,
    "link",
    "Link a person to the identity that it signs in with. `claviger sign-in` tells whoever is not linked which one that is.",
    "claviger principal link anna --issuer https://id.example.org --subject 248289761001",
  )
    .argument("<principal>", "name or id of a person")
    .requiredOption("--issuer <url>", "the issuer, as its ID tokens name it")
    .requiredOption("--subject <text>", "the person, as the issuer's ID tokens name it")
    .action(
      inSession(async (session, of: string, options: { issuer: string; subject: string }) => {
        const { issuer, subject } = options;
        session.show(await session.client.principals.link(of, { issuer, subject }), ({ name }) =>
          plain(`${name} signs in as subject ${subject} of ${issuer}.`),
        );
      }),
    );

  verb(
    principal,
    "unlink",
    "Take its identity from a person: nobody signs in as it any more. Its tokens go on until they end or are revoked.",
    "claviger principal unlink anna",
  )
    .argument("<principal>", "name or id")
    .action(
      inSession(async (session, of: string) => {
        session.show(await session.client.principals.unlink(of), ({ name }) =>
          plain(`Nobody signs in as ${name} any more.`),
        );
      }),
    );

  verb(
    principal,
    "certificate",
    "Bind a principal to a client certificate, at once, or show which one it has. Without a token the certificate proves the principal; a token of it is good for nothing over a connection that has not proved the certificate.",
    "claviger principal certificate shop-service --file shop-service.pem",
  )
    .argument("<principal>", "name or id")
    .option("--file <file>", "the certificate, PEM")
    .addOption(
      new Option("--fingerprint <hex>", "its SHA-256, as openssl x509 -noout -fingerprint -sha256 prints it")
        .argParser(typedFingerprint)
        .conflicts("file"),
    )
    .addOption(
      new Option("--none", "free the principal of its certificate").conflicts(["file", "fingerprint"]),
    )
    .action(
      inSession(
        async (session, of: string, options: { file?: string; fingerprint?: string; none?: true }) => {
          const { principals } = session.client;
          const given = options.file === undefined ? options.fingerprint : fingerprintIn(options.file);
          const asked = given === undefined && options.none === undefined;
          session.show(await (asked ? principals.get(of) : principals.bindCertificate(of, given)), said);
        },
      ),
    );
}

function said({ name, certificate }: PrincipalView): string {
  return certificate === null
    ? plain(`${name} has no client certificate.`)
    : plain(`${name} has the client certificate with SHA-256 ${certificate}.`);
}

/** `SHA256 Fingerprint=AB:CD:…`, with or without what stands before, colons and capitals. */
function typedFingerprint(value: string): string {
  const digits = value.replace(/^.*=/, "").replaceAll(":", "").trim().toLowerCase();
  if (/^[0-9a-f]{64}$/.test(digits)) return digits;
  throw new InvalidArgumentError("A SHA-256 fingerprint has 64 hexadecimal digits.");
}

function fingerprintIn(path: string): string {
  const content = readFileSync(path);
  try {
    return typedFingerprint(new X509Certificate(content).fingerprint256);
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error)) throw error;
    throw new UsageError(`${path} is not a certificate.`, "Give a certificate in PEM form.", error);
  }
}
