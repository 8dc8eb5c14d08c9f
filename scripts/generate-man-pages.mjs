// Writes docs/man/claviger.1 and docs/man/clavigerd.8 from the commands themselves. Run it with
// `node_modules/.bin/node scripts/generate-man-pages.mjs` after a change of a command line; a test fails while a
// committed page is another. With --print it writes the page of that name to stdout instead.

import { mkdirSync, writeFileSync } from "node:fs";
import { commandTree } from "../packages/cli/src/command-tree.ts";
import { exampleOf } from "../packages/cli/src/command.ts";
import { manPage } from "../packages/cli/src/man-page.ts";
import { buildProgram } from "../packages/cli/src/program.ts";
import { CONFIG_KEYS, KEY_NAMES, isSecretKey, variableOf } from "../packages/server/src/ops/config-keys.ts";
import { buildProgram as buildDaemonProgram } from "../packages/server/src/program.ts";
import { VERBS } from "../packages/server/src/verbs/table.ts";

const claviger = buildProgram();
const clavigerd = buildDaemonProgram(async () => undefined);

const PAGES = {
  "claviger.1": manPage({
    root: commandTree(claviger),
    section: 1,
    name: "keep keys, and change the master key above them while everything keeps running",
    exampleOf: (path) => exampleOf(commandAt(claviger, path)),
    environment: [
      ["CLAVIGER_ADDR", "Address of the service; default http://127.0.0.1:8440."],
      ["CLAVIGER_TOKEN", "The token of the principal that calls."],
      ["CLAVIGER_TOKEN_FILE", "A file that holds the token, where CLAVIGER_TOKEN is not set."],
      [
        "CLAVIGER_DATA",
        "Data folder whose admin.token is the token where neither is set; default claviger-data.",
      ],
      ["XDG_CONFIG_HOME", "Where claviger/token is kept; default ~/.config."],
      ["CLAVIGER_CA", "CA of the service, PEM, for an https address; default those that Node.js trusts."],
      ["CLAVIGER_CLIENT_CERT", "Certificate of the client, PEM, where the service asks for one."],
      ["CLAVIGER_CLIENT_KEY", "Its private key, PEM."],
      ["NO_COLOR", "Set to anything: no colours. There are none outside a terminal either."],
    ],
    files: [
      ["claviger-data/admin.token", "The token of the first administrator, as the first start leaves it."],
      [
        "~/.config/claviger/token",
        "What claviger sign-in got for each address; used where nothing else gives a token.",
      ],
    ],
    seeAlso: ["clavigerd(8)"],
  }),
  "clavigerd.8": manPage({
    root: commandTree(clavigerd),
    section: 8,
    name: "the daemon of Claviger, and what is done on its machine without it running",
    exampleOf: (path) => VERBS.find(({ words }) => words.join(" ") === path.slice(1).join(" "))?.example,
    environment: [
      ["CLAVIGER_CONFIG", "Path of the TOML file; default claviger.toml in the data folder."],
      ...KEY_NAMES.map((name) => [
        isSecretKey(name) ? `${variableOf(name)}, ${variableOf(name)}_FILE` : variableOf(name),
        CONFIG_KEYS[name].about,
      ]),
    ],
    files: [
      ["claviger.toml", "The configuration, in the data folder unless another file is named."],
      [
        "units/, pins/, store/",
        "Crypto units, their PINs, the database: in the data folder, each of which may be a link.",
      ],
      ["admin.token", "The token of the first administrator; in the data folder."],
    ],
    seeAlso: ["claviger(1)"],
  }),
};

if (process.argv[2] === "--print") process.stdout.write(PAGES[process.argv[3]]);
else {
  const folder = new URL("../docs/man/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  for (const [name, page] of Object.entries(PAGES)) writeFileSync(new URL(name, folder), page);
}

function commandAt(program, path) {
  return path
    .slice(1)
    .reduce((command, word) => command.commands.find((candidate) => candidate.name() === word), program);
}
