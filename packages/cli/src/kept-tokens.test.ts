import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { UsageError } from "./exit-status.ts";
import { keepToken, keptToken, keptTokensPath } from "./kept-tokens.ts";
import { readSettings } from "./settings.ts";

let home: string;
let env: Readonly<Record<string, string>>;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "claviger-kept-"));
  env = { XDG_CONFIG_HOME: home, CLAVIGER_DATA: join(home, "no-data") };
});
afterEach(() => rmSync(home, { recursive: true }));

const HERE = "http://127.0.0.1:8440";
const tokenOf = (token: string) => ({ token, tokenId: `id of ${token}`, principalId: "p" });

it("keeps one token for each address, whatever slash is behind it, and forgets one without the others", () => {
  keepToken(HERE, tokenOf("a"), env);
  keepToken("https://keys.example.org/kms/", tokenOf("b"), env);
  keepToken(`${HERE}/`, tokenOf("c"), env);
  expect(keptToken(HERE, env)).toEqual(tokenOf("c"));
  expect(keptToken("https://keys.example.org/kms", env)).toEqual(tokenOf("b"));
  expect(keptToken("https://keys.example.org", env)).toBeUndefined();
  keepToken(HERE, undefined, env);
  expect(keptToken(HERE, env)).toBeUndefined();
  expect(keptToken("https://keys.example.org/kms", env)).toEqual(tokenOf("b"));
  keepToken("https://keys.example.org/kms", undefined, env);
  expect(existsSync(keptTokensPath(env))).toBe(false);
});

it("lets nobody else read file and folder, and leaves nothing beside the file", () => {
  keepToken(HERE, tokenOf("a"), env);
  expect(statSync(keptTokensPath(env)).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(keptTokensPath(env))).mode & 0o777).toBe(0o700);
  expect(readdirSync(dirname(keptTokensPath(env)))).toEqual(["token"]);
});

it.each(["", "{", "[]", '{"http://127.0.0.1:8440":"a"}', '{"http://127.0.0.1:8440":{"token":7}}'])(
  "refuses a file that holds `%s` in one sentence",
  (content) => {
    mkdirSync(dirname(keptTokensPath(env)));
    writeFileSync(keptTokensPath(env), content, { mode: 0o600 });
    expect(() => keptToken(HERE, env)).toThrow(UsageError);
    expect(() => keptToken(HERE, env)).toThrow("is not a file of `claviger sign-in`");
  },
);

it("is used where nothing else gives a token", () => {
  keepToken(HERE, tokenOf("kept"), env);
  expect(readSettings({}, env).token).toBe("kept");
  expect(readSettings({}, { ...env, CLAVIGER_TOKEN: "direct" }).token).toBe("direct");
  expect(() => readSettings({ addr: "http://127.0.0.1:1" }, env)).toThrow("There is no token");
  mkdirSync(env["CLAVIGER_DATA"] ?? "");
  writeFileSync(join(env["CLAVIGER_DATA"] ?? "", "admin.token"), "of the data folder\n".replaceAll(" ", "-"));
  expect(readSettings({}, env).token).toBe("of-the-data-folder");
});

it("is in ~/.config where XDG_CONFIG_HOME is empty or no absolute path", () => {
  for (const named of ["", "config"])
    expect(keptTokensPath({ XDG_CONFIG_HOME: named })).toMatch(/\/\.config\/claviger\/token$/);
});
