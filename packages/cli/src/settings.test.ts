import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { UsageError } from "./exit-status.ts";
import { readSettings } from "./settings.ts";

const folder = mkdtempSync(join(tmpdir(), "claviger-settings-"));
const file = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
afterAll(() => rmSync(folder, { recursive: true }));

describe("settings", () => {
  it("take the address from --addr, then CLAVIGER_ADDR, then the default", () => {
    const token = { CLAVIGER_TOKEN: "t" };
    expect(readSettings({ addr: "http://a:1" }, { ...token, CLAVIGER_ADDR: "http://b:2" }).address).toBe(
      "http://a:1",
    );
    expect(readSettings({}, { ...token, CLAVIGER_ADDR: "http://b:2" }).address).toBe("http://b:2");
    expect(readSettings({}, { ...token, CLAVIGER_ADDR: "" }).address).toBe("http://127.0.0.1:8440");
  });

  it("take the token from CLAVIGER_TOKEN, then CLAVIGER_TOKEN_FILE, then admin.token of the data folder", () => {
    const named = file("named", "from-file\n");
    file("admin.token", "from-data\n");
    const data = { CLAVIGER_DATA: folder };
    expect(readSettings({}, { ...data, CLAVIGER_TOKEN: "direct", CLAVIGER_TOKEN_FILE: named }).token).toBe(
      "direct",
    );
    expect(readSettings({}, { ...data, CLAVIGER_TOKEN_FILE: named }).token).toBe("from-file");
    expect(readSettings({}, data).token).toBe("from-data");
  });

  it.each([
    ["an address that is none", "127.0.0.1:8440", { CLAVIGER_TOKEN: "t" }, "--addr is not an address"],
    ["an address with a password", "http://a:b@host", { CLAVIGER_TOKEN: "t" }, "--addr is not an address"],
    [
      "a token file that is not there",
      undefined,
      { CLAVIGER_TOKEN_FILE: "/nowhere/t" },
      "/nowhere/t does not exist, and CLAVIGER_TOKEN_FILE names it",
    ],
    [
      "a token file that cannot be read",
      undefined,
      { CLAVIGER_TOKEN_FILE: folder },
      "cannot be read (EISDIR)",
    ],
    [
      "a token file of two lines",
      undefined,
      { CLAVIGER_TOKEN_FILE: file("two", "a\nb\n") },
      "There is no token in",
    ],
  ])("refuse %s in one sentence", (_, addr, env, sentence) => {
    const read = () => readSettings(addr === undefined ? {} : { addr }, env);
    expect(read).toThrow(UsageError);
    expect(read).toThrow(sentence);
  });
});
