import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { RowDataPacket } from "mysql2/promise";
import { startPostgres } from "../postgres/server.ts";
import { SCRATCH } from "../model/scratch.ts";
import { startMariadb } from "./mariadb-server.ts";
import type { Dialect } from "./schema.ts";

/** Real databases of a kind, for contracts: each test has one of its own. */
export interface Places extends AsyncDisposable {
  readonly dialect: Dialect;
  newPlace(): Promise<Place>;
}

export interface Place {
  /** As barbican.conf has it. */
  readonly url: string;
  /** Runs SQL beside whoever else uses the database. */
  run<Row extends object>(sql: string): Promise<readonly Row[]>;
}

export async function sqlitePlaces(): Promise<Places> {
  const folder = mkdtempSync(join(SCRATCH, "claviger-barbican-"));
  let places = 0;
  return {
    dialect: "sqlite",
    newPlace: async () => {
      const path = join(folder, `b${(places += 1)}.sqlite`);
      const run = async <Row extends object>(sql: string): Promise<readonly Row[]> => {
        const database = new DatabaseSync(path);
        try {
          return database.prepare(sql).all() as unknown as Row[];
        } finally {
          database.close();
        }
      };
      return { url: `sqlite:///${path}`, run };
    },
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true }),
  };
}

export async function postgresPlaces(): Promise<Places> {
  const server = await startPostgres();
  return {
    dialect: "postgres",
    newPlace: async () => {
      const name = await server.newDatabase();
      return {
        url: `postgresql+psycopg2://postgres@/${name}?host=${server.socket}`,
        run: (sql) => server.query(name, sql),
      };
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

export async function mariadbPlaces(): Promise<Places> {
  const server = await startMariadb();
  return {
    dialect: "mysql",
    newPlace: async () => {
      const { name, url } = await server.newDatabase();
      return { url, run: <Row extends object>(sql: string) => server.query<Row & RowDataPacket>(name, sql) };
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
