import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { labelsInDump } from "../../packages/server/src/barbican/dump/dump-labels.ts";
import { startPostgres } from "../postgres/server.ts";
import { needPostgresBinaries } from "../postgres/binaries.ts";
import { isWithout } from "../set-up/without.ts";
import { needMariadbBinaries } from "./mariadb-binaries.ts";
import { startMariadb } from "./mariadb-server.ts";
import type { Dialect } from "./schema.ts";
import { insertKeks, insertProject, schema } from "./schema.ts";

/** What is hard in a dump: quotes, backslashes, braces, a tab and a letter beyond ASCII in labels. */
const HARD = String.raw`m'1 "q" \\ }{ \t \u00fc`;
const EXPECTED = [
  { mkekLabel: "old", hmacLabel: "h", mechanism: "CKM_AES_CBC_PAD", rows: 2 },
  { mkekLabel: 'm\'1 "q" \\ }{ \t ü', hmacLabel: "h", mechanism: "CKM_AES_KEY_WRAP_KWP", rows: 1 },
];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "claviger-dump-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const old = '{"iv":null,"wrapped_key":"AA==","hmac":"AA==","mkek_label":"old","hmac_label":"h"}';
const hard = `{"iv":null,"wrapped_key":"AA==","hmac":"AA==","mkek_label":"${HARD.replaceAll('"q"', '\\"q\\"')}","hmac_label":"h","key_wrap_mechanism":"CKM_AES_KEY_WRAP_KWP"}`;

function statements(dialect: Dialect): string[] {
  const literal = (text: string): string => {
    const quoted = text.replaceAll("'", "''");
    return `'${dialect === "mysql" ? quoted.replaceAll("\\", "\\\\") : quoted}'`;
  };
  const rows = [old, old, hard].map((text, at) => ({
    id: `k${at}`,
    projectId: "p1",
    pluginMeta: literal(text),
    isDeleted: at === 1,
  }));
  const others = [
    { id: "k3", projectId: "p1", pluginMeta: "NULL" },
    { id: "k4", projectId: "p1", pluginMeta: "'gAAAA'", plugin: "barbican.plugin.crypto.simple_crypto.S" },
  ];
  return [...schema(dialect), insertProject("p1", "o'ne"), insertKeks([...rows, ...others])].map((sql) =>
    sql.replace("'o'ne'", "'o''ne'"),
  );
}

function run(program: string, args: readonly string[], input = ""): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: "utf8",
    input,
    maxBuffer: 1e9,
  });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`, { cause: error });
  return stdout;
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** Of a dump as it is, and packed. */
async function both(name: string, dump: string): Promise<unknown[]> {
  const paths = [file(name, dump), file(`${name}.gz`, gzipSync(dump))];
  return Promise.all(paths.map((path) => labelsInDump(path)));
}

async function complaint(path: string): Promise<string> {
  return labelsInDump(path).then(
    () => "none",
    (error: Error) => error.message.replaceAll(path, "DUMP"),
  );
}

describe("the labels in a dump", () => {
  it.skipIf(isWithout("mariadb"))("are counted in what mariadb-dump writes", async () => {
    await using server = await startMariadb();
    const { name } = await server.newDatabase();
    for (const sql of statements("mysql")) await server.query(name, sql);
    const dump = (...options: string[]) =>
      run(needMariadbBinaries().dump, [
        "--no-defaults",
        `--socket=${server.socket}`,
        "--user=root",
        ...options,
        name,
      ]);
    expect(await both("mysql.sql", dump())).toEqual([EXPECTED, EXPECTED]);
    expect(await both("mysql-single.sql", dump("--skip-extended-insert", "--complete-insert"))).toEqual([
      EXPECTED,
      EXPECTED,
    ]);
    expect(await both("mysql-ansi.sql", dump("--compatible=ansi"))).toEqual([EXPECTED, EXPECTED]);
    expect(await both("mysql-replace.sql", dump("--replace", "--skip-comments"))).toEqual([
      EXPECTED,
      EXPECTED,
    ]);
  });

  it.skipIf(isWithout("postgresql"))("are counted in what pg_dump writes as SQL", async () => {
    await using server = await startPostgres();
    const name = await server.newDatabase();
    for (const sql of statements("postgres")) await server.query(name, sql);
    const program = join(needPostgresBinaries(), "pg_dump");
    const dump = (...options: string[]) =>
      run(program, ["-h", server.socket, "-U", "postgres", ...options, name]);
    expect(await both("pg.sql", dump())).toEqual([EXPECTED, EXPECTED]);
    expect(await both("pg-inserts.sql", dump("--inserts"))).toEqual([EXPECTED, EXPECTED]);
    expect(await both("pg-columns.sql", dump("--column-inserts", "--quote-all-identifiers"))).toEqual([
      EXPECTED,
      EXPECTED,
    ]);
    expect(await both("pg-many.sql", dump("--rows-per-insert=2"))).toEqual([EXPECTED, EXPECTED]);
    const custom = join(folder, "pg.custom");
    dump("-Fc", "-f", custom);
    expect(await complaint(custom)).toBe(
      "DUMP is in the custom form of pg_dump: turn it into SQL with `pg_restore -f dump.sql`.",
    );
    const packed = file("pg.custom.gz", gzipSync(readFileSync(custom)));
    expect(await complaint(packed)).toContain("pg_restore");
  });

  it.skipIf(isWithout("sqlite3"))(
    "are counted in a copy of an SQLite file, and in what sqlite3 writes",
    async () => {
      const path = join(folder, "b.sqlite");
      run("sqlite3", [path], `${statements("sqlite").join(";\n")};\n`);
      expect(await labelsInDump(path)).toEqual(EXPECTED);
      expect(await both("sqlite.sql", run("sqlite3", [path, ".dump"]))).toEqual([EXPECTED, EXPECTED]);
      expect(await complaint(file("b.sqlite.gz", gzipSync(readFileSync(path))))).toBe(
        "DUMP is a packed file of SQLite: unpack it first.",
      );
      run("sqlite3", [path], "UPDATE kek_data SET plugin_meta = CAST(plugin_meta AS BLOB) WHERE id = 'k0';");
      expect(await labelsInDump(path)).toEqual(EXPECTED);
      expect(await complaint(file("blob.sql", run("sqlite3", [path, ".dump"])))).toMatch(
        /^DUMP has a value in line \d+, in kek_data, that cannot be read\.$/,
      );
    },
  );

  it.each([
    ["nothing", "", "DUMP has no rows of kek_data in it, as the dump of a Barbican has."],
    [
      "other tables",
      "INSERT INTO projects VALUES ('kek_data');\nCREATE TABLE kek_data (id TEXT);\nINSERT INTO kek_data_old VALUES ('x');\n",
      "DUMP has no rows of kek_data in it, as the dump of a Barbican has.",
    ],
    [
      "COPY cut off",
      "COPY public.kek_data (id) FROM stdin;\nk1\t\\N\n",
      "DUMP ends in the middle of kek_data.",
    ],
    ["INSERT cut off", "INSERT INTO `kek_data` VALUES\n('k1'),\n", "DUMP ends in the middle of kek_data."],
    [
      "a literal cut off",
      "INSERT INTO kek_data VALUES ('k1",
      "DUMP has a value in line 1, in kek_data, that cannot be read.",
    ],
    [
      "meta that is none",
      `INSERT INTO kek_data VALUES ('k1', '{"mkek_label":5}');\n`,
      "DUMP has a plugin_meta in line 1 that names no labels.",
    ],
    ["bytes", "BZh9\0\0", "DUMP is no text: unpack it, or dump the database as SQL."],
  ])("are refused, not counted as none, in %s", async (name, content, expected) => {
    expect(await complaint(file(`${name}.sql`, content))).toBe(expected);
  });

  it("are refused in a packed dump that is cut off, and where there is none", async () => {
    const whole = gzipSync(`INSERT INTO kek_data VALUES ('${old}');\n${"-- \n".repeat(1_000)}`);
    const path = file("cut.gz", whole);
    truncateSync(path, whole.length - 10);
    expect(await complaint(path)).toBe("DUMP cannot be read to its end (Z_BUF_ERROR).");
    expect(await complaint(join(folder, "none"))).toBe("DUMP cannot be read (ENOENT).");
    expect(await complaint(folder)).toBe("DUMP cannot be read (EISDIR).");
  });
});
