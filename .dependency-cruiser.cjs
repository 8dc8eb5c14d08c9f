"use strict";

// Who may import whom: the import table of the architecture, one rule (or two) per row. A layer is given the list
// of what it may import, and everything else is refused. Unit tests (*.test.ts), test/, bench/ and demo/ are free,
// unless a rule says otherwise.
//
// What an import cannot show (Date.now, process.env, who calls `reveal`) is for .oxlintrc.json and
// scripts/check-house-rules.mjs.

const TEST = "\\.test\\.ts$";
const SERVER = "^packages/server/src/";
const API = "^packages/api/src/";
const SDK = "^packages/sdk/src/";
const AUDIT = "^packages/audit/src/";

/** Matches the named packages and their declarations: `npm("pg")` is node_modules/pg/ and node_modules/@types/pg/. */
const npm = (...names) => `(^|/)node_modules/(@types/)?(${names.join("|")})/`;

/** A rule: outside tests, files of `from` import from `allowed` and (if `node` is true) `node:*`, and nothing else. */
const only = (name, comment, from, allowed, { node = true } = {}) => ({
  name,
  comment,
  severity: "error",
  from: { path: from, pathNot: TEST },
  to: { pathNot: allowed, ...(node ? { dependencyTypesNot: ["core"] } : {}) },
});

module.exports = {
  forbidden: [
    // ---- The packages ---------------------------------------------------------------------------------------
    only(
      "api-imports-typebox",
      "api describes the wire: it imports typebox and nothing else.",
      API,
      [API, npm("typebox")],
      {
        node: false,
      },
    ),
    only(
      "audit-imports-itself",
      "An auditor verifies an export with this package and Node.js alone.",
      AUDIT,
      [AUDIT],
    ),
    only("sdk-imports-api", "sdk is installed on its own: it imports api, and no native dependency.", SDK, [
      SDK,
      API,
    ]),
    {
      name: "sdk-takes-types-from-api",
      comment: "sdk uses the types of api only (`import type`), so that typebox stays out of applications.",
      severity: "error",
      from: { path: SDK, pathNot: TEST },
      to: { path: API, dependencyTypesNot: ["type-only"] },
    },
    only(
      "cli-imports-sdk",
      "cli speaks to the daemon through sdk, and verifies exports itself.",
      "^packages/cli/",
      ["^packages/cli/", SDK, AUDIT, npm("commander", "openid-client")],
    ),
    only("console-imports-sdk", "console speaks to the daemon through sdk.", "^packages/console/", [
      "^packages/console/",
      SDK,
      API,
      npm("[^/]+", "@[^/]+/[^/]+"),
    ]),
    {
      name: "console-takes-types-from-api",
      comment: "console uses the types of api only (`import type`).",
      severity: "error",
      from: { path: "^packages/console/", pathNot: TEST },
      to: { path: API, dependencyTypesNot: ["type-only"] },
    },
    {
      name: "server-is-never-a-library",
      comment: "api, sdk, cli and console never import the server, not even its types.",
      severity: "error",
      from: { path: "^packages/", pathNot: ["^packages/server/", TEST] },
      to: { path: "^packages/server/" },
    },

    // ---- The layers of the server ---------------------------------------------------------------------------
    only("core-imports-itself", "The domain knows no HTTP, SQL, PKCS#11 or logger.", `${SERVER}core/`, [
      `${SERVER}core/`,
    ]),
    {
      name: "core-knows-no-environment",
      comment: "The domain is configured by its callers: it does not read process.env by import either.",
      severity: "error",
      from: { path: `${SERVER}core/`, pathNot: TEST },
      to: { path: "^(node:)?process$" },
    },
    {
      name: "node-crypto-in-core",
      comment: "Within the domain, cryptography happens in core/crypto and core/secret.",
      severity: "error",
      from: { path: `${SERVER}core/`, pathNot: [`${SERVER}core/(crypto|secret)/`, TEST] },
      to: { path: "^(node:)?crypto$" },
    },
    only(
      "units-import-core",
      "An adapter of the crypto-unit port imports core and its native library: no store, protocol, http or other unit.",
      `${SERVER}units/([^/]+)/`,
      [`${SERVER}core/`, `${SERVER}units/$1/`, npm("pkcs11js")],
    ),
    {
      name: "pkcs11js-in-its-unit",
      comment: "The native library belongs to the PKCS#11 unit alone.",
      severity: "error",
      from: { pathNot: [`${SERVER}units/pkcs11/`, TEST, "^test/"] },
      to: { path: "(^|/)pkcs11js(/|$)" },
    },
    only("store-imports-core", "The store imports core, kysely and drivers.", `${SERVER}store/`, [
      `${SERVER}(core|store)/`,
      npm("kysely", "pg"),
    ]),
    only(
      "barbican-imports-core",
      "What reads configuration, database and dumps of a Barbican imports core and the clients of databases.",
      `${SERVER}barbican/`,
      [`${SERVER}(core|barbican)/`, npm("pg", "mysql2")],
    ),
    {
      name: "mysql2-for-barbican",
      comment: "Claviger's own store is never on MySQL: only a Barbican is.",
      severity: "error",
      from: { path: "^packages/", pathNot: [`${SERVER}barbican/`, TEST] },
      to: { path: npm("mysql2") },
    },
    only(
      "identity-imports-core",
      "The adapter of the identity provider imports core and jose.",
      `${SERVER}identity/`,
      [`${SERVER}(core|identity)/`, npm("jose")],
    ),
    only(
      "audit-log-imports-core",
      "The audit log keeps and signs what core hands it: no store, unit or protocol.",
      `${SERVER}audit/`,
      [`${SERVER}(core|audit)/`, AUDIT],
    ),
    {
      name: "node-sqlite-in-store",
      comment:
        "SQLite is opened by the store, the audit log and for a Barbican; ops/data-folder-lock.ts and units/pkcs11/pin-latch.ts use its lock.",
      severity: "error",
      from: {
        path: "^packages/",
        pathNot: [
          `${SERVER}(store|audit|barbican)/`,
          `${SERVER}(ops/data-folder-lock|units/pkcs11/pin-latch)\\.ts$`,
          TEST,
        ],
      },
      to: { path: "^(node:)?sqlite$" },
    },
    only(
      "protocols-import-core",
      "A protocol translates, calls an operation and maps the result: it imports core, fastify and typebox, and no " +
        "store, unit or other protocol.",
      `${SERVER}protocols/([^/]+)/`,
      [`${SERVER}core/`, `${SERVER}protocols/$1/`, npm("fastify", "@fastify/[^/]+", "typebox"), API],
    ),
    {
      name: "protocols-call-operations",
      comment:
        "Of core, a protocol runs operations and errors; from the rest it takes types (`import type`).",
      severity: "error",
      from: { path: `${SERVER}protocols/`, pathNot: TEST },
      to: {
        path: `${SERVER}core/`,
        pathNot: [`${SERVER}core/operations/`, `${SERVER}core/errors\\.ts$`],
        dependencyTypesNot: ["type-only"],
      },
    },
    {
      name: "api-in-native-protocol",
      comment: "Of the server, only the native protocol imports api.",
      severity: "error",
      from: { path: SERVER, pathNot: [`${SERVER}protocols/native/`, TEST] },
      to: { path: API },
    },
    only(
      "http-and-ops-import-core",
      "http and ops import core, fastify, pino, prom-client (and the parsers of the configuration and of revocation lists): no store, " +
        "unit or protocol.",
      `${SERVER}(http|ops)/`,
      [
        `${SERVER}(core|http|ops)/`,
        npm(
          "fastify",
          "@fastify/[^/]+",
          "pino",
          "prom-client",
          "secure-json-parse",
          "smol-toml",
          "typebox",
          "@peculiar/asn1-(?:schema|x509)",
        ),
      ],
    ),
    {
      name: "commander-in-the-command-line",
      comment: "Below the command line of clavigerd nothing knows that there is one.",
      severity: "error",
      from: { path: SERVER, pathNot: [`${SERVER}(clavigerd|program)\\.ts$`, `${SERVER}verbs/`, TEST] },
      to: { path: npm("commander") },
    },
    {
      name: "verbs-are-called-by-the-command-line",
      comment:
        "A verb is an end, as a route is: program.ts has the table of them, and nothing else imports one.",
      severity: "error",
      from: { path: SERVER, pathNot: [`${SERVER}(clavigerd|program)\\.ts$`, `${SERVER}verbs/`, TEST] },
      to: { path: `${SERVER}verbs/` },
    },
    {
      name: "main-is-imported-by-serve",
      comment: "main.ts brings the whole daemon with it: only `clavigerd serve` loads it.",
      severity: "error",
      from: { pathNot: [`${SERVER}verbs/serve\\.ts$`, TEST, "^test/"] },
      to: { path: `${SERVER}main\\.ts$` },
    },
    {
      name: "compose-is-imported-by-main",
      comment: "compose.ts names every adapter, so only main.ts and tests may import it.",
      severity: "error",
      from: { pathNot: [`${SERVER}main\\.ts$`, TEST, "^test/"] },
      to: { path: `${SERVER}compose\\.ts$` },
    },

    // ---- Everywhere -----------------------------------------------------------------------------------------
    {
      name: "no-circular-imports",
      comment: "Two files that import each other are one file, or hide a third. This counts types too.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "no-unresolvable-imports",
      comment: "An import that cannot be resolved escapes the other rules.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    // `import type` counts: a layer that knows the types of another layer depends on it.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
    },
  },
};
