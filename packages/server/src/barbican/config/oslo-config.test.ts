import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isFailure } from "../../core/errors.ts";
import { readOsloConfig } from "./oslo-config.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "claviger-oslo-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(text: string | Uint8Array, name = "barbican.conf"): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

/** The value of `[a] k`, or of DEFAULT's. */
function value(text: string, group = "a"): string | undefined {
  return readOsloConfig([file(text)]).find([[group, "k"]])?.value;
}

function complaint(text: string | Uint8Array): string {
  const path = file(text);
  try {
    readOsloConfig([path]).find([["a", "k"]]);
  } catch (error) {
    if (isFailure(error, "barbican-config-unsuitable")) return error.message.replaceAll(path, "FILE");
    throw error;
  }
  return "none";
}

describe("the syntax of oslo.config", () => {
  it.each([
    ["[a]\nk = v", "v"],
    ["[a]\nk=v", "v"],
    ["[a]\nk : v", "v"],
    ["[a]\nk = mysql://u:p@h", "mysql://u:p@h"],
    ["[a]\nk: x=y", "x=y"],
    ["[a]\nk =", ""],
    ["[a]\nk = v # no comment", "v # no comment"],
    ["[a]\n# k = w\n; k = w\nk = v\n#k=w", "v"],
    ["[a]\r\nk = v\r\n", "v"],
    ["[a]\nk = 'v'", "v"],
    ['[a]\nk = " v "', " v "],
    ["[a]\nk = 'v\"", "'v\""],
    ["[a]\nk = \"'v'\"", "'v'"],
    ["[a]\nk = '", ""],
    ["[a]\nk = one\n  two\n\tthree", "one\ntwo\nthree"],
    ["[a]\nk = one\n  # two", "one\n# two"],
    ["[a]\nk = 'one\n two'", "'one\ntwo'"],
    ["[a]\nk =\n  one", "\none"],
    ["[a]\nk = v\nk = w", "w"],
    ["[a]\nk = v\n[b]\nk = x\n[a]\nk = w", "w"],
    ["[A]\nk = v", "v"],
    ["[a]\nK = v", undefined],
    ["[default]\nk = v", undefined],
    ["[a]\n\u00a0k\u00a0=\u00a0v\u0085\u001f", "v"],
  ])("%j", (text, expected) => {
    expect(value(text)).toBe(expected);
  });

  it("tells DEFAULT from a section of that name in other letters", () => {
    expect(value("[default]\nk = v\n[DEFAULT]\nk = w", "DEFAULT")).toBe("w");
    expect(value("[DEFAULT]\nk = v", "default")).toBeUndefined();
  });

  it.each([
    ["[a]\nk = v\n1234", "FILE, line 3: a line is no [section], no `key = value` and no comment."],
    ["k = 1234\n[a]", "FILE, line 1: a value stands before the first [section]."],
    ["k = 1234", "FILE, line 1: a value stands before the first [section]."],
    ["[a\nk = v", "FILE, line 1: a [section] does not end with ]."],
    ["[]", "FILE, line 1: a [section] has no name."],
    ["[a]\n= 1234", "FILE, line 2: a value has no key."],
    [
      "[a]\nk = v\n\n  1234",
      "FILE, line 4: a line is indented, but there is no value that it could go on with.",
    ],
    [
      "[a]\nk = v\n# c\n  1234",
      "FILE, line 4: a line is indented, but there is no value that it could go on with.",
    ],
    [new Uint8Array([0xff, 0xfe]), "FILE is not UTF-8 text."],
    [new Uint8Array(1_048_577), "FILE is larger than 1048576 bytes."],
  ])("refuses what is none by its line, without a word of it: %#", (text, expected) => {
    expect(complaint(text)).toBe(expected);
  });
});

describe("references", () => {
  it.each([
    ["$j", "w"],
    ["${j}", "w"],
    ["x${j}y$j", "xwyw"],
    ["$d", "of DEFAULT"],
    ["$b.j", "of b"],
    ["${b.j}", "of b"],
    ["${DEFAULT.d}", "of DEFAULT"],
    ["$through", "w"],
    ["a$$b", "a$b"],
    [String.raw`a\$j`, "a$j"],
    ["$", "$"],
    ["a$1", "a$1"],
    ["${j", "${j"],
  ])("%s", (written, expected) => {
    expect(value(`[DEFAULT]\nd = of DEFAULT\n[b]\nj = of b\n[a]\nj = w\nthrough = $j\nk = ${written}`)).toBe(
      expected,
    );
  });

  it.each([
    ["[a]\nk = 12$word34", "FILE: [a] k refers with $ to an option that no file sets"],
    ["[a]\nk = $j\nj = $k", "FILE: [a] k refers with $ to options that refer to each other"],
    ["[a]\nk = $k", "FILE: [a] k refers with $ to options that refer to each other"],
  ])("that lead nowhere are refused, and not named: %#", (text, expected) => {
    expect(complaint(text)).toBe(`${expected}. A $ that is none of a reference is written $$.`);
  });
});

describe("several files", () => {
  it("let the later one win, by whichever name it says so; within one the first name wins", () => {
    const one = file("[new]\nk = 1\n[old]\nk = 2", "1.conf");
    const two = file("[old]\nk = 3", "2.conf");
    const names = [
      ["new", "k"],
      ["old", "k"],
    ] as const;
    expect(readOsloConfig([one]).find(names)?.value).toBe("1");
    expect(readOsloConfig([one, two]).find(names)).toEqual({
      value: "3",
      place: `${two}: [old] k`,
    });
    expect(readOsloConfig([two, one]).find(names)?.value).toBe("1");
  });

  it("are those of a folder too: *.conf in order of their names", () => {
    mkdirSync(join(folder, "conf.d"));
    for (const [name, text] of [
      ["b.conf", "2"],
      ["a.conf", "1"],
      ["c.conf.old", "3"],
      [".d.conf", "4"],
    ])
      file(`[a]\nk = ${text}`, `conf.d/${name}`);
    expect(readOsloConfig([join(folder, "conf.d")]).find([["a", "k"]])?.value).toBe("2");
  });

  it("that are not there are refused", () => {
    const path = join(folder, "none.conf");
    expect(() => readOsloConfig([path])).toThrow(`${path} cannot be read (ENOENT).`);
  });
});
