import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { KEY_NAMES, flagOf, variableOf } from "./config-keys.ts";
import { readConfig } from "./config.ts";
import { configurationDocument } from "./configuration-document.ts";

test("docs/operations/configuration.md is what scripts/generate-configuration-doc.mjs writes", () => {
  const committed = new URL("../../../../docs/operations/configuration.md", import.meta.url);
  expect(readFileSync(committed, "utf8")).toBe(configurationDocument());
});

test("no two keys share a variable or a flag", () => {
  for (const nameOf of [flagOf, variableOf]) {
    expect(new Set(KEY_NAMES.map(nameOf)).size).toBe(KEY_NAMES.length);
  }
});

test("its example is a configuration that a daemon takes", () => {
  const example = /```toml\n([^`]+)```/.exec(configurationDocument())?.[1];
  const config = readConfig({ CLAVIGER_CONFIG: "/etc/c.toml" }, "/", () => example);
  expect(config).toMatchObject({ listen: { host: "10.1.2.3" }, tls: { clientCa: "/etc/clients.pem" } });
});
