import { describe, expect, it } from "vitest";
import { mkvpsLines, tkeRows } from "./registers.ts";
import { fields, plain, table } from "./terminal.ts";

describe("what is shown", () => {
  it("has columns as wide as needed, numbers to the right, and no blanks at line ends", () => {
    const shown = table(
      ["NAME", "KEKS"],
      [
        ["a", "1"],
        ["longer", "12,345"],
      ],
      "none",
    );
    expect(shown.replaceAll(/\p{Cc}\[\d+m/gu, "")).toBe("NAME      KEKS\na            1\nlonger  12,345");
  });

  it("is a sentence where a table would be empty", () => {
    expect(table(["NAME"], [], "There is nothing.")).toBe("There is nothing.");
  });

  it("leaves out fields without a value, and keeps lines of a value in its column", () => {
    expect(
      fields([
        ["a", "1\n2"],
        ["gone", null],
        ["long", "3"],
      ]),
    ).toBe("a     1\n      2\nlong  3");
  });

  it("lets nothing from outside steer the terminal", () => {
    expect(plain("a\u001b[2Jb\r\n")).toBe("a\u{fffd}[2Jb\u{fffd}\u{fffd}");
    expect(table(["N"], [["\u001b]0;x\u0007"]], "")).not.toContain("\u001b]");
  });
});

describe("registers", () => {
  const [a, b] = ["0a".repeat(32), "0b".repeat(32)];
  const registers = {
    type: "WK",
    NEW: { state: "full committed", vp: a },
    CURRENT: { state: "valid", vp: b },
    OLD: { state: "empty", vp: null },
  } as const;

  it("are rows as TKE has them", () => {
    expect(tkeRows(registers)).toEqual([
      ["NEW", "Full Committed", "0a".repeat(16)],
      ["CURRENT", "Valid", "0b".repeat(16)],
      ["OLD", "Empty", "-"],
    ]);
  });

  it("are lines as the sysfs file mkvps has them", () => {
    expect(mkvpsLines(registers)).toEqual([
      `WK NEW: committed 0x${a}`,
      `WK CUR: valid 0x${b}`,
      "WK OLD: invalid -",
    ]);
  });
});
