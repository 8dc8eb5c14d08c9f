import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { RowDataPacket } from "mysql2/promise";
import { createConnection } from "mysql2/promise";
import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openDatabase } from "../../packages/server/src/barbican/database/open-database.ts";
import type { BarbicanDatabase } from "../../packages/server/src/core/barbican/barbican-database.ts";
import type { PostgresServer } from "../postgres/server.ts";
import { selfSigned, startPostgres } from "../postgres/server.ts";
import { isWithout } from "../set-up/without.ts";
import type { MariadbServer } from "./mariadb-server.ts";
import { startMariadb } from "./mariadb-server.ts";
import { insertKeks, insertProject, schema } from "./schema.ts";

/*
 * What happens to the database of a Barbican behind a network: TLS, passwords, rights, and connections that are lost.
 */

const META = '{"mkek_label":"m"}';
const PASSWORD = "geheim";

let folder: string;
let authority: string;
let tls: { readonly certificate: string; readonly key: string };
const opened: BarbicanDatabase[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "claviger-servers-"));
  tls = selfSigned(folder, "localhost");
  authority = join(folder, "localhost.crt");
  writeFileSync(join(folder, "other.pem"), selfSigned(folder, "other").certificate);
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

async function open(url: string): Promise<BarbicanDatabase> {
  const one = await openDatabase(url);
  opened.push(one);
  return one;
}

/** The code of the failure of a call, and its words. */
async function failureOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "none",
    (error: Error & { code?: string }) => `${error.code}: ${error.message}`,
  );
}

const CHANGE = [{ id: "k1", from: META, to: "never" }];
const FILL = [
  insertProject("p1", "external-1"),
  insertKeks([{ id: "k1", projectId: "p1", pluginMeta: `'${META}'` }]),
];

describe.skipIf(isWithout("postgresql"))("a Barbican on PostgreSQL, over TLS", () => {
  let server: PostgresServer;
  let name: string;
  beforeAll(async () => {
    server = await startPostgres({ tls });
    await server.query("postgres", `ALTER USER postgres PASSWORD '${PASSWORD}'`);
  });
  afterAll(() => server[Symbol.asyncDispose]());
  beforeEach(async () => {
    name = await server.newDatabase();
    for (const sql of [...schema("postgres"), ...FILL]) await server.query(name, sql);
  });
  const url = (options: string, password = PASSWORD, host = "localhost"): string =>
    `postgresql+psycopg2://postgres:${password}@${host}:${server.port}/${name}?${options}`;

  it.each(["", "sslmode=require", "sslmode=verify-full&sslrootcert=CA", "sslmode=verify-ca&sslrootcert=CA"])(
    "is opened with %j",
    async (options) => {
      const database = await open(url(options.replace("CA", authority)));
      expect(await database.countKekRows()).toBe(1);
    },
  );

  it.each([
    ["another authority", "sslmode=verify-ca&sslrootcert=OTHER", "localhost", /self.signed certificate/],
    ["another name", "sslmode=verify-full&sslrootcert=CA", "127.0.0.1", /does not match certificate/],
    ["no TLS", "sslmode=disable", "localhost", /no encryption/],
    ["an authority that is not there", "sslmode=verify-ca&sslrootcert=/none", "localhost", /\/none, for TLS/],
  ])("is not opened with %s", async (_, options, host, words) => {
    const file = options.replace("OTHER", join(folder, "other.pem")).replace("CA", authority);
    const failure = await failureOf(open(url(file, PASSWORD, host)));
    expect(failure).toMatch(/^barbican-database-unsuitable: /);
    expect(failure).toMatch(words);
  });

  it("is opened in plain text where the server has no TLS, unless TLS is asked for", async () => {
    // On its Unix socket the server says that it has none.
    const plain = createServer((client) => {
      const there = connect(join(server.socket, `.s.PGSQL.${server.port}`));
      for (const end of [client, there]) end.on("error", () => undefined);
      client.pipe(there).pipe(client);
    }).listen(0, "127.0.0.1");
    await once(plain, "listening");
    const { port } = plain.address() as AddressInfo;
    const at = (options: string) =>
      url(options, PASSWORD, "127.0.0.1").replace(`:${server.port}/`, `:${port}/`);
    const database = await open(at(""));
    expect(await database.countKekRows()).toBe(1);
    expect(await failureOf(open(at("sslmode=require")))).toMatch(
      /^barbican-database-unsuitable: .*does not support SSL/,
    );
    plain.close();
  });

  it("is not opened with a wrong password, which is not told", async () => {
    const failure = await failureOf(open(url("", "falsch")));
    expect(failure).toMatch(/^barbican-database-unsuitable: .*password authentication failed/);
    expect(failure).not.toContain("falsch");
  });

  it("that may only be read is refused before the first row", async () => {
    const before = await open(url(""));
    await server.query(name, `ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    const database = await open(url(""));
    expect(await database.countKekRows()).toBe(1);
    expect(await failureOf(database.lockOutOthers())).toMatch(/^barbican-database-unsuitable: .*read-only/);
    await before.close();
    opened.shift();
  });

  it("gets nothing written by whoever lost the lock", async () => {
    const database = await open(url(""));
    await database.lockOutOthers();
    await server.query(
      name,
      "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()",
    );
    for (let tries = 0; tries < 2; tries += 1)
      expect(await failureOf(database.replace(CHANGE))).toMatch(/^barbican-database-failed: /);
    const second = await open(url(""));
    await second.lockOutOthers();
    expect((await second.kekRows(null, 1))[0]?.pluginMeta).toBe(META);
  });

  it("fails a batch whose connection is lost while it is written, and leaves the rows", async () => {
    const database = await open(url(""));
    const other = new Client({ ...server.address(name), ssl: false });
    await other.connect();
    await other.query("BEGIN; SELECT id FROM kek_data FOR UPDATE");
    const batch = failureOf(database.replace(CHANGE));
    const waiting = "wait_event_type = 'Lock' AND datname = current_database()";
    for (let ended = 0; ended === 0; await sleep(20))
      ended = (
        await server.query(name, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${waiting}`)
      ).length;
    expect(await batch).toMatch(/^barbican-database-failed: /);
    await other.end();
    expect((await database.kekRows(null, 1))[0]?.pluginMeta).toBe(META);
  });
});

describe.skipIf(isWithout("mariadb"))("a Barbican on MariaDB, over TLS", () => {
  let server: MariadbServer;
  let place: { readonly name: string; readonly url: string };
  beforeAll(async () => {
    server = await startMariadb({ tls: { certificate: authority, key: join(folder, "localhost.key") } });
  });
  afterAll(() => server[Symbol.asyncDispose]());
  beforeEach(async () => {
    place = await server.newDatabase();
    await server.query("mysql", `ALTER USER ${place.name}@localhost REQUIRE SSL`);
    for (const sql of [...schema("mysql"), ...FILL]) await server.query(place.name, sql);
  });
  const url = (options: string): string => `${place.url.replace("127.0.0.1", "localhost")}?${options}`;
  const kill = async (condition: string): Promise<number> => {
    const others = await server.query<RowDataPacket & { readonly id: number }>(
      place.name,
      `SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID() AND ${condition}`,
    );
    for (const { id } of others) await server.query(place.name, `KILL ${id}`);
    return others.length;
  };

  it.each(["ssl=true", "ssl_ca=CA", "ssl_ca=CA&ssl_check_hostname=false", "ssl_mode=PREFERRED"])(
    "is opened with %j",
    async (options) => {
      const database = await open(url(options.replace("CA", authority)));
      expect(await database.countKekRows()).toBe(1);
    },
  );

  it.each([
    ["another authority", "ssl_ca=OTHER", /self.signed certificate/],
    ["no TLS", "", /Access denied/],
  ])("is not opened with %s", async (_, options, words) => {
    const failure = await failureOf(open(url(options.replace("OTHER", join(folder, "other.pem")))));
    expect(failure).toMatch(/^barbican-database-unsuitable: /);
    expect(failure).toMatch(words);
  });

  it("is opened in plain text where the server has no TLS, unless TLS is asked for", async () => {
    await using plain = await startMariadb({ options: ["--skip-ssl"] });
    const other = await plain.newDatabase();
    for (const sql of schema("mysql")) await plain.query(other.name, sql);
    const database = await openDatabase(`${other.url}?ssl_mode=PREFERRED`);
    expect(await database.countKekRows()).toBe(0);
    await database.close();
    expect(await failureOf(open(`${other.url}?ssl=true`))).toMatch(
      /^barbican-database-unsuitable: .*does not support secure connection/,
    );
  });

  it("is not opened under another name than that of its certificate", async () => {
    await using named = await startMariadb({
      tls: { certificate: join(folder, "other.pem"), key: join(folder, "other.key") },
    });
    const other = await named.newDatabase();
    const base = other.url.replace("127.0.0.1", "localhost");
    const ca = `ssl_ca=${join(folder, "other.pem")}`;
    expect(await failureOf(open(`${base}?${ca}`))).toMatch(
      /^barbican-database-unsuitable: .*does not match certificate/,
    );
    // The name is passed over, and then it lacks the tables.
    expect(await failureOf(open(`${base}?${ca}&ssl_check_hostname=false`))).toMatch(/db upgrade/);
  });

  it("is not opened with a wrong password, which is not told", async () => {
    const failure = await failureOf(open(url("ssl=true").replace(`:${PASSWORD}@`, ":falsch@")));
    expect(failure).toMatch(/^barbican-database-unsuitable: .*Access denied/);
    expect(failure).not.toContain("falsch");
  });

  it("that may only be read is refused before the first row", async () => {
    const { name } = place;
    await server.query("mysql", `REVOKE ALL ON ${name}.* FROM ${name}@localhost`);
    await server.query("mysql", `GRANT SELECT ON ${name}.* TO ${name}@localhost`);
    const database = await open(url("ssl=true"));
    expect(await database.countKekRows()).toBe(1);
    expect(await failureOf(database.lockOutOthers())).toMatch(/^barbican-database-unsuitable: .*denied/);
  });

  it("gets nothing written by whoever lost the lock", async () => {
    const database = await open(url("ssl=true"));
    await database.lockOutOthers();
    await kill("true");
    for (let tries = 0; tries < 2; tries += 1)
      expect(await failureOf(database.replace(CHANGE))).toMatch(/^barbican-database-failed: /);
    const second = await open(url("ssl=true"));
    await second.lockOutOthers();
    expect((await second.kekRows(null, 1))[0]?.pluginMeta).toBe(META);
  });

  it("fails a batch whose connection is lost while it is written, and leaves the rows", async () => {
    const database = await open(url("ssl=true"));
    const other = await createConnection({ socketPath: server.socket, user: "root", database: place.name });
    await other.beginTransaction();
    await other.query("SELECT id FROM kek_data FOR UPDATE");
    const batch = failureOf(database.replace(CHANGE));
    while ((await kill("command = 'Execute'")) === 0) await sleep(20);
    expect(await batch).toMatch(/^barbican-database-failed: /);
    await other.end();
    expect((await database.kekRows(null, 1))[0]?.pluginMeta).toBe(META);
  });
});
