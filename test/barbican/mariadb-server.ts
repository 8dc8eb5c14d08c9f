import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { RowDataPacket } from "mysql2/promise";
import { createConnection } from "mysql2/promise";
import { freePort, stopServer } from "../server-child.ts";
import { SCRATCH } from "../model/scratch.ts";
import { needMariadbBinaries } from "./mariadb-binaries.ts";

const READY_TRIES = 600;
const PASSWORD = "geheim";

/** A MariaDB of its own in a temporary folder, on 127.0.0.1 and a Unix socket. */
export interface MariadbServer extends AsyncDisposable {
  readonly port: number;
  readonly socket: string;
  /** Makes a database, and a user of the same name with all rights on it. Its address as barbican.conf has it. */
  newDatabase(): Promise<{ readonly name: string; readonly url: string }>;
  /** Runs SQL as root. */
  query<Row extends RowDataPacket>(database: string, sql: string, values?: unknown[]): Promise<Row[]>;
  /** Stops it, as an administrator does it, and starts it again. */
  restart(): Promise<void>;
}

export interface MariadbServerOptions {
  /** With TLS by these PEM files. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** Further options of mariadbd. */
  readonly options?: readonly string[];
}

export async function startMariadb({ tls, options = [] }: MariadbServerOptions = {}): Promise<MariadbServer> {
  const { installDb: install, server: daemon } = needMariadbBinaries();
  const folder = mkdtempSync(join(SCRATCH, "claviger-mariadb-"));
  const [data, socket] = [join(folder, "data"), join(folder, "socket")];
  // mariadbd refuses to be root unless it is told so.
  const user = process.getuid?.() === 0 ? ["--user=root"] : [];
  const made = spawnSync(
    install,
    [
      "--no-defaults",
      `--datadir=${data}`,
      "--auth-root-authentication-method=normal",
      "--skip-test-db",
      ...user,
    ],
    { cwd: folder, encoding: "utf8" },
  );
  if (made.status !== 0) throw new Error(`mariadb-install-db failed: ${made.stdout}${made.stderr}`);
  const port = await freePort();

  const query = async <Row extends RowDataPacket>(
    database: string,
    sql: string,
    values: unknown[] = [],
  ): Promise<Row[]> => {
    const connection = await createConnection({ socketPath: socket, user: "root", database });
    try {
      const [rows] = await connection.query<Row[]>(sql, values);
      return rows;
    } finally {
      await connection.end();
    }
  };

  const start = async () => {
    const child = spawn(
      daemon,
      [
        "--no-defaults",
        `--datadir=${data}`,
        `--socket=${socket}`,
        `--pid-file=${join(folder, "pid")}`,
        "--bind-address=127.0.0.1",
        `--port=${port}`,
        "--skip-log-bin",
        ...(tls ? [`--ssl-cert=${tls.certificate}`, `--ssl-key=${tls.key}`] : []),
        ...user,
        ...options,
      ],
      { cwd: folder, stdio: ["ignore", "ignore", "pipe"] },
    );
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-10_000)));
    for (let tries = 0; ; tries += 1) {
      try {
        await query("mysql", "SELECT 1");
        return child;
      } catch (error) {
        if (child.exitCode !== null || tries === READY_TRIES) {
          child.kill("SIGKILL");
          throw new Error(`MariaDB did not start: ${said}`, { cause: error });
        }
        await sleep(50);
      }
    }
  };
  let child = await start();
  const stop = (): Promise<void> => stopServer(child, "SIGTERM");
  let databases = 0;
  return {
    port,
    socket,
    query,
    newDatabase: async () => {
      const name = `barbican${(databases += 1)}`;
      await query("mysql", `CREATE DATABASE ${name} CHARACTER SET utf8`);
      await query("mysql", `CREATE USER ${name}@localhost IDENTIFIED BY '${PASSWORD}'`);
      await query("mysql", `GRANT ALL ON ${name}.* TO ${name}@localhost`);
      return { name, url: `mysql+pymysql://${name}:${PASSWORD}@127.0.0.1:${port}/${name}` };
    },
    restart: async () => {
      await stop();
      child = await start();
    },
    [Symbol.asyncDispose]: async () => {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
