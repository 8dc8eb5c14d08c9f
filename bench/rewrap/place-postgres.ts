import { tmpdir } from "node:os";
import { Client } from "pg";
import { openPostgresStore } from "../../packages/server/src/store/postgres-store.ts";
import { startPostgres } from "../../test/postgres/server.ts";
import { floorRewrapPostgres } from "./floor-postgres.ts";
import type { RewrapPlace } from "./place.ts";

const SQL = `INSERT INTO keks (id, project_id, fence_id, kcv, wrapped, mk, row_version)
  SELECT id, project_id, 1, kcv, wrapped, 1, 1
  FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[]) AS given (id, project_id, kcv, wrapped)`;

/** Databases of a PostgreSQL server of its own, with its default settings, in a temporary folder, over a Unix socket. */
export async function postgresPlace(): Promise<RewrapPlace> {
  const server = await startPostgres({ folder: tmpdir() });
  const template = await server.newDatabase();
  let copies = 0;
  return {
    name: "postgresql",
    openTemplate: () => openPostgresStore(server.address(template)),
    fill: async (pages) => {
      const client = new Client({ ...server.address(template), ssl: false });
      await client.connect();
      for await (const rows of pages) {
        await client.query(SQL, [
          rows.map(({ kekId }) => kekId),
          rows.map(({ projectId }) => projectId),
          rows.map(({ kcv }) => kcv),
          rows.map(({ blob }) => blob),
        ]);
      }
      await client.query("VACUUM ANALYZE");
      await client.end();
    },
    openCopy: async () => {
      const copy = `copy${(copies += 1)}`;
      await server.query("postgres", `CREATE DATABASE ${copy} TEMPLATE ${template}`);
      await server.query("postgres", "CHECKPOINT");
      const store = await openPostgresStore(server.address(copy));
      return {
        store,
        [Symbol.asyncDispose]: async () => {
          await store.close();
          await server.query("postgres", `DROP DATABASE ${copy} WITH (FORCE)`);
        },
      };
    },
    floor: async (rows) => {
      const database = await server.newDatabase();
      const figures = await floorRewrapPostgres(server.address(database), rows);
      await server.query("postgres", `DROP DATABASE ${database} WITH (FORCE)`);
      return figures;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
