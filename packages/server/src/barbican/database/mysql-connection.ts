import { userInfo } from "node:os";
import type { Connection, ConnectionOptions, ExecuteValues, QueryResult } from "mysql2/promise";
import { createConnection } from "mysql2/promise";
import { SerialQueue } from "../../core/serial-queue.ts";
import { mysqlFailure, serverErrno } from "./mysql-failures.ts";
import type { ServerAddress } from "./server-address.ts";
import { tlsFiles } from "./server-address.ts";

/*
 * One connection to the MySQL or MariaDB of a Barbican. Once it is lost it is not made again: what was asked of it last may
 * have happened or not, and a lock that it held is gone.
 *
 * Statements are prepared, so that no value is ever written into one: what quotes it would depend on the server's sql_mode.
 */

const CONNECT_MS = 10_000;
/** Longest waits: for a lock, which Barbican holds for milliseconds, and for an answer. */
const LOCK_SECONDS = 10;
const ANSWER_MS = 130_000;
/** Statements over a batch differ by its length. */
const PREPARED_LIMIT = 16;

export class MysqlConnection {
  readonly #connection: Connection;
  readonly #where: string;
  readonly #transactions = new SerialQueue();

  private constructor(connection: Connection, where: string) {
    this.#connection = connection;
    this.#where = where;
  }

  /** `where` is the address for people. @throws Failure of the port. */
  static async open(address: ServerAddress, where: string): Promise<MysqlConnection> {
    try {
      const connection = await connect(address);
      // Whatever happens to the connection is thrown by the call that needs it.
      connection.on("error", () => undefined);
      const opened = new MysqlConnection(connection, where);
      await opened.execute(`SET SESSION innodb_lock_wait_timeout = ${LOCK_SECONDS}`);
      return opened;
    } catch (error) {
      throw mysqlFailure(error, where, true);
    }
  }

  /** @throws Failure of the port. */
  async execute<Result extends QueryResult>(sql: string, values: ExecuteValues[] = []): Promise<Result> {
    try {
      const [result] = await this.#connection.execute<Result>({ sql, timeout: ANSWER_MS }, values);
      return result;
    } catch (error) {
      if (serverErrno(error) === undefined) this.#connection.destroy();
      throw mysqlFailure(error, this.#where, false);
    }
  }

  /**
   * All of it, or nothing. Where COMMIT gets no answer it is not known which. One after the other: to begin a second one would
   * commit the first, and let go of the rows that it holds.
   * @throws Failure of the port.
   */
  transaction<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#transactions.run(() => this.#transact(work));
  }

  async #transact<Result>(work: () => Promise<Result>): Promise<Result> {
    await this.#say("START TRANSACTION");
    try {
      const result = await work();
      await this.#say("COMMIT");
      return result;
    } catch (error) {
      await this.#say("ROLLBACK").then(undefined, () => this.#connection.destroy());
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#connection.end().then(undefined, () => this.#connection.destroy());
  }

  /** What some servers do not prepare. */
  async #say(sql: "START TRANSACTION" | "COMMIT" | "ROLLBACK"): Promise<void> {
    try {
      await this.#connection.query({ sql, timeout: ANSWER_MS });
    } catch (error) {
      if (serverErrno(error) === undefined) this.#connection.destroy();
      throw mysqlFailure(error, this.#where, false);
    }
  }
}

/** `if-offered` goes on in plain text where the server has no TLS. */
async function connect(address: ServerAddress): Promise<Connection> {
  const config = configOf(address);
  const { mode } = address.tls;
  if (mode === "never") return createConnection(config);
  const ssl = {
    ...tlsFiles(address.tls),
    minVersion: "TLSv1.2",
    rejectUnauthorized: mode.startsWith("verify"),
    verifyIdentity: mode === "verify-host",
  };
  try {
    return await createConnection({ ...config, ssl });
  } catch (error) {
    const isWithoutTls = (error as NodeJS.ErrnoException).code === "HANDSHAKE_NO_SSL_SUPPORT";
    if (mode === "if-offered" && isWithoutTls) return createConnection(config);
    throw error;
  }
}

function configOf({ host, port, socket, database, user, password }: ServerAddress): ConnectionOptions {
  return {
    ...(socket === undefined ? { host, port } : { socketPath: socket }),
    database,
    user: user ?? userInfo().username,
    ...(password && { password: password() }),
    charset: "utf8mb4",
    connectTimeout: CONNECT_MS,
    enableKeepAlive: true,
    flags: ["-LOCAL_FILES"],
    maxPreparedStatements: PREPARED_LIMIT,
  };
}
