import { spawn, spawnSync } from "node:child_process";
import { appendFileSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import type { PostgresAddress } from "../../packages/server/src/store/postgres-address.ts";
import { columnTypes } from "../../packages/server/src/store/dialects/postgres.ts";
import { freePort, stopServer } from "../server-child.ts";
import { SCRATCH } from "../model/scratch.ts";
import { needPostgresBinaries } from "./binaries.ts";

const SUPERUSER = "postgres";
/** initdb refuses root; `nobody` is everywhere. */
const NOBODY = { uid: 65_534, gid: 65_534 };
const READY_TRIES = 300;

/** A PostgreSQL of its own, on a Unix socket in a temporary folder. */
export interface PostgresServer extends AsyncDisposable {
  /** The folder of the socket. */
  readonly socket: string;
  /** On 127.0.0.1, if it was asked for: with TLS and a password. */
  readonly port: number;
  address(database: string): PostgresAddress;
  /** Makes a database and returns its name. */
  newDatabase(): Promise<string>;
  /** Of the database that a name of a test's own stands for; it is made when it is first asked for. */
  addressOf(place: string): Promise<PostgresAddress>;
  /** Runs SQL as the superuser. */
  query<Row extends object>(database: string, sql: string): Promise<readonly Row[]>;
  /** Stops it, as an administrator does it, and starts it again. */
  restart(): Promise<void>;
}

export interface PostgresServerOptions {
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** Lines of postgresql.conf. */
  readonly settings?: readonly string[];
  /** Where its folder is made; in memory, where the system has that, if none is given. */
  readonly folder?: string;
}

export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const binaries = needPostgresBinaries();
  const socket = mkdtempSync(join(options.folder ?? SCRATCH, "claviger-pg-"));
  const data = join(socket, "data");
  const identity = process.getuid?.() === 0 ? NOBODY : {};
  if ("uid" in identity) chownSync(socket, NOBODY.uid, NOBODY.gid);
  const initdb = ["-D", data, "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
  const made = spawnSync(join(binaries, "initdb"), initdb, { ...identity, cwd: socket, encoding: "utf8" });
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
  const port = options.tls ? await freePort() : 0;
  const conf = [`unix_socket_directories = '${socket}'`, ...(options.settings ?? [])];
  if (options.tls) {
    const files = { cert: join(data, "server.crt"), key: join(data, "server.key") };
    for (const [path, text] of [
      [files.cert, options.tls.certificate],
      [files.key, options.tls.key],
    ] as const) {
      writeFileSync(path, text, { mode: 0o600 });
      if ("uid" in identity) chownSync(path, NOBODY.uid, NOBODY.gid);
    }
    conf.push("listen_addresses = '127.0.0.1'", `port = ${port}`, "ssl = on");
    conf.push(`ssl_cert_file = '${files.cert}'`, `ssl_key_file = '${files.key}'`);
    writeFileSync(
      join(data, "pg_hba.conf"),
      "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n",
    );
  } else {
    conf.push("listen_addresses = ''");
  }
  appendFileSync(join(data, "postgresql.conf"), conf.map((line) => `${line}\n`).join(""));

  const address = (database: string): PostgresAddress => ({
    host: socket,
    port: port === 0 ? 5432 : port,
    database,
    user: SUPERUSER,
    passwordFile: undefined,
    tls: undefined,
  });
  const query = async <Row extends object>(database: string, sql: string): Promise<readonly Row[]> => {
    const client = new Client({ ...address(database), ssl: false, types: columnTypes });
    await client.connect();
    try {
      const { rows } = await client.query<Row>(sql);
      return rows;
    } finally {
      await client.end();
    }
  };

  const start = async () => {
    const child = spawn(join(binaries, "postgres"), ["-D", data], {
      ...identity,
      cwd: socket,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-10_000)));
    for (let tries = 0; ; tries += 1) {
      try {
        await query("postgres", "SELECT 1");
        return child;
      } catch (error) {
        if (child.exitCode !== null || tries === READY_TRIES)
          throw new Error(`PostgreSQL did not start: ${said}`, { cause: error });
        await sleep(50);
      }
    }
  };
  let child = await start();
  // fast shutdown: connections are ended
  const stop = (): Promise<void> => stopServer(child, "SIGINT");
  let databases = 0;
  const newDatabase = async (): Promise<string> => {
    const name = `t${(databases += 1)}`;
    await query("postgres", `CREATE DATABASE ${name}`);
    return name;
  };
  const places = new Map<string, Promise<string>>();
  return {
    socket,
    port,
    address,
    query,
    newDatabase,
    addressOf: async (place) => {
      const known = places.get(place) ?? newDatabase();
      places.set(place, known);
      return address(await known);
    },
    restart: async () => {
      await stop();
      child = await start();
    },
    [Symbol.asyncDispose]: async () => {
      await stop();
      rmSync(socket, { recursive: true, force: true });
    },
  };
}

/** A certificate of an authority that signed itself, made by `openssl`. */
export function selfSigned(
  folder: string,
  name: string,
): { readonly certificate: string; readonly key: string } {
  const [certificate, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const made = spawnSync(
    "openssl",
    `req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=${name} -addext subjectAltName=DNS:${name} -keyout ${key} -out ${certificate}`.split(
      " ",
    ),
    { encoding: "utf8" },
  );
  if (made.status !== 0) throw new Error(`openssl failed: ${made.stderr}`);
  return { certificate: readFileSync(certificate, "utf8"), key: readFileSync(key, "utf8") };
}
