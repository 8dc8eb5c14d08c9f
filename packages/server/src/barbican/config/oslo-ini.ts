/*
 * The syntax of one file of oslo.config, as its parser has it (openstack/oslo.config: oslo_config/iniparser.py, and
 * ConfigParser in oslo_config/cfg.py):
 *
 * - `[section]`; `key = value` or `key : value`, whichever sign comes first; `#` and `;` begin a comment where they begin a
 *   line, and nowhere else;
 * - a line that begins with white space goes on with the value above it, with a line break between; a blank line or a
 *   comment ends a value, and a comment that is indented is a part of it;
 * - one pair of quotes around the first line of a value is taken off;
 * - a key that is repeated has several values.
 *
 * A complaint names the line and never what is in it, which may be a PIN.
 */

/** Values by section and key, in the order of the file. Names of sections are lower case, but for DEFAULT. */
export type OsloSections = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

export class OsloSyntaxError extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.name = "OsloSyntaxError";
    this.line = line;
  }
}

/** White space of Python's str.strip, which is not quite that of JavaScript. */
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACE_BEFORE = new RegExp(`^[${SPACE}]+`);
const SPACE_BEHIND = new RegExp(`[${SPACE}]+$`);

/** @throws OsloSyntaxError */
export function parseOsloIni(text: string): OsloSections {
  const sections = new Map<string, Map<string, string[]>>();
  let section: Map<string, string[]> | undefined;
  let open: { readonly key: string; readonly lines: string[] } | undefined;

  const close = (lineNumber: number): void => {
    if (!open) return;
    if (!section) throw new OsloSyntaxError(lineNumber, "a value stands before the first [section]");
    const values = section.get(open.key) ?? [];
    values.push(open.lines.join("\n"));
    section.set(open.key, values);
    open = undefined;
  };

  const lines = text.split(/\r\n|\n|\r/);
  for (const [at, whole] of lines.entries()) {
    const number = at + 1;
    const line = whole.replace(SPACE_BEHIND, "");
    if (/^[ \t]/.test(line)) {
      if (!open)
        throw new OsloSyntaxError(
          number,
          "a line is indented, but there is no value that it could go on with",
        );
      open.lines.push(line.replace(SPACE_BEFORE, ""));
      continue;
    }
    close(at);
    if (line === "" || line.startsWith("#") || line.startsWith(";")) continue;
    if (line.startsWith("[")) {
      const name = sectionName(line, number);
      section = sections.get(name) ?? new Map();
      sections.set(name, section);
    } else {
      open = assignment(line, number);
    }
  }
  close(lines.length);
  return sections;
}

/** `DEFAULT` is the name of a section in these letters only. */
export function normalizedSection(name: string): string {
  return name === "DEFAULT" ? name : name.toLowerCase();
}

function sectionName(line: string, number: number): string {
  if (!line.endsWith("]")) throw new OsloSyntaxError(number, "a [section] does not end with ]");
  if (line.length <= 2) throw new OsloSyntaxError(number, "a [section] has no name");
  return normalizedSection(line.slice(1, -1));
}

function assignment(line: string, number: number): { key: string; lines: string[] } {
  const sign = line.search(/[:=]/);
  if (sign < 0) throw new OsloSyntaxError(number, "a line is no [section], no `key = value` and no comment");
  const key = strip(line.slice(0, sign));
  if (key === "") throw new OsloSyntaxError(number, "a value has no key");
  return { key, lines: [withoutQuotes(strip(line.slice(sign + 1)))] };
}

function withoutQuotes(value: string): string {
  return /^["']/.test(value) && value.at(-1) === value[0] ? value.slice(1, -1) : value;
}

function strip(text: string): string {
  return text.replace(SPACE_BEHIND, "").replace(SPACE_BEFORE, "");
}
