import { describe, expect, it } from "vitest";
import { match, parseTranscript } from "./transcript.ts";

const none = new Map<string, string>();

describe("a transcript", () => {
  it("has commands with output, errors and exit status; blank ends and comments are none of them", () => {
    expect(parseTranscript("# why\n\n$ claviger x\nout\n\nmore\n! err\n[exit 3]\n\n$ true\n")).toEqual([
      { line: 3, command: "claviger x", stdout: ["out", "", "more", ""], stderr: ["err"], exit: 3 },
      { line: 10, command: "true", stdout: [""], stderr: [], exit: 0 },
    ]);
  });

  it("takes silence for what is expected below a command that shows none", () => {
    expect(match([""], "", none)).not.toBeNull();
    expect(match([""], "something\n", none)).toBeNull();
    expect(match(["something"], "", none)).toBeNull();
  });

  it("keeps what a placeholder with a name matched", () => {
    expect(match(["number {{number:n}}."], "number 1,234.\n", none)).toEqual(new Map([["n", "1,234"]]));
    expect(match(["{{number:n}} of {{n}}"], "12 of 12\n", none)).toEqual(new Map([["n", "12"]]));
    expect(match(["{{number:n}} of {{n}}"], "12 of 13\n", none)).toBeNull();
    expect(() => match(["{{unheard}}"], "x\n", none)).toThrow(SyntaxError);
    expect(match(["number {{n}}."], "number 1,235.\n", new Map([["n", "1,234"]]))).toBeNull();
  });

  it("matches the rest of a line to the letter, but for the width of gaps", () => {
    expect(match(["a  b (c)"], "a     b (c)\n", none)).not.toBeNull();
    expect(match(["a  b (c)"], "a b (c)\n", none)).toBeNull();
    expect(match(["a.c"], "abc\n", none)).toBeNull();
  });

  it("matches any lines where it says `...`", () => {
    expect(match(["a", "...", "z"], "a\nb\n\nz\n", none)).not.toBeNull();
    expect(match(["a", "...", "z"], "a\nb\ny\n", none)).toBeNull();
  });
});
