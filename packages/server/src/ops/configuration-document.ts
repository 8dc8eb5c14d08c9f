import type { KeyName } from "./config-keys.ts";
import {
  CONFIG_KEYS,
  KEY_NAMES,
  fallbackOf,
  fileEntryOf,
  flagOf,
  isSecretKey,
  variableOf,
} from "./config-keys.ts";

const HEAD = `# Configuration

<!-- Generated from packages/server/src/ops/config-keys.ts by scripts/generate-configuration-doc.mjs. Do not edit. -->

The daemon reads its configuration once, at its start. Each source overrides those before it: the defaults; one TOML file;
the environment; flags of \`clavigerd\`. The TOML file is the one that \`--config\` or \`CLAVIGER_CONFIG\` names, else
\`claviger.toml\` in the data folder, if it is there. Relative paths in the file begin in the folder of the file, others in
the working directory.

A key, or a variable that begins with \`CLAVIGER_\`, that is not known is an error (\`config-invalid\`), which names the nearest
one that is; so is a flag (exit status 2). \`clavigerd config check\` says whether a start would take the configuration; \`clavigerd config print\`
shows every key, its value and who gave it. Neither starts anything, and \`claviger config check\` and
\`claviger config print\` are the same where the daemon is installed.

A secret is never a flag and never stands in the TOML file, for others can read both: they name a file that holds it. A
variable may hold it (without \`_FILE\`) or name the file (with it), such as a systemd credential:
\`CLAVIGER_TLS_KEY_PASSPHRASE_FILE=%d/tls-key\`.

\`\`\`toml
listen = "10.1.2.3:8440"
log_level = "info"

[tls]
cert = "server.pem"
key = "server.key"
client_ca = "clients.pem"

[expected_vps]
default = ["9f2c41d07be3a865d1f0c2b4978e35aa", "5d1c0e9f2b7a48c3a6f1d2e3b4c5a697"]
\`\`\`

## Keys

| key | TOML | environment | flag | type | default |
| --- | --- | --- | --- | --- | --- |
`;

const MEANING_HEAD = `
## What they mean

| key | meaning |
| --- | --- |
`;

const TAIL = `
## Other variables

| variable | read by | meaning |
| --- | --- | --- |
| \`CLAVIGER_CONFIG\` | \`clavigerd\` | path of the TOML file |
| \`CLAVIGER_ADDR\`, \`CLAVIGER_CA\`, \`CLAVIGER_CLIENT_CERT\`, \`CLAVIGER_CLIENT_KEY\` | \`claviger\` | where the service is, and how it is known: \`claviger --help\` |
| \`CLAVIGER_TOKEN\`, \`CLAVIGER_TOKEN_FILE\`, \`CLAVIGER_DATA\` | \`claviger\` | the token, or where it is |
`;

/** The text of docs/operations/configuration.md. */
export function configurationDocument(): string {
  const rows = KEY_NAMES.map((name) => `| ${cellsOf(name).join(" | ")} |\n`);
  const meanings = KEY_NAMES.map((name) => `| \`${name}\` | ${CONFIG_KEYS[name].about} |\n`);
  return [HEAD, ...rows, MEANING_HEAD, ...meanings, TAIL].join("");
}

function cellsOf(name: KeyName): string[] {
  const fallback = fallbackOf(name);
  const variable = variableOf(name);
  return [
    code(name),
    code(fileEntryOf(name)),
    isSecretKey(name) ? `${code(variable)} or ${code(`${variable}_FILE`)}` : code(variable),
    code(flagOf(name)),
    CONFIG_KEYS[name].type,
    fallback === undefined ? "" : code(fallback),
  ];
}

function code(text: string): string {
  return `\`${text}\``;
}
