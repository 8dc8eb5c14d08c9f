import type { RowDataPacket } from "mysql2/promise";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDatabase } from "../../packages/server/src/barbican/database/open-database.ts";
import type { ProjectKeyToken } from "../../packages/server/src/core/barbican/project-key-token.ts";
import type { Proxy } from "../postgres/proxy.ts";
import { startProxy, startProxyTo } from "../postgres/proxy.ts";
import { startPostgres } from "../postgres/server.ts";
import { isWithout } from "../set-up/without.ts";
import { open } from "./known-token.ts";
import { startMariadb } from "./mariadb-server.ts";
import type { Place } from "./places.ts";
import type { Scene, SceneToken } from "./rewrap-scene.ts";
import { newScene, sceneToken } from "./rewrap-scene.ts";
import type { Dialect } from "./schema.ts";

/*
 * The server of a Barbican's database, or the network to it, fails while project keys are moved: it is said, what was
 * confirmed is there, nothing is half done, and the next run finishes.
 */

const MOVABLE = 250;
const PASSWORD = "sehr-geheim";

interface FaultyPlace extends Place {
  /** The address as the user of the service has it, through the network that fails. */
  readonly url: string;
  /** Ends the connections of the service that hold the lock, as an administrator does. */
  killWriters(): Promise<void>;
  /** What the user may do with kek_data. */
  mayUpdate(may: boolean): Promise<void>;
}

interface FaultyServer extends AsyncDisposable {
  readonly dialect: Dialect;
  readonly proxy: Proxy;
  /** Is in what is sent to have a page written, or confirmed. */
  readonly confirms: string;
  newPlace(): Promise<FaultyPlace>;
}

async function postgres(): Promise<FaultyServer> {
  await using opened = new AsyncDisposableStack();
  const server = opened.use(await startPostgres());
  const proxy = opened.use(await startProxy(server.socket));
  await server.query("postgres", `CREATE ROLE barbican LOGIN PASSWORD '${PASSWORD}'`);
  const kept = opened.move();
  return {
    dialect: "postgres",
    proxy,
    // A page is one statement, which is a transaction.
    confirms: "claviger_replace",
    newPlace: async () => {
      const name = await server.newDatabase();
      const run = <Row extends object>(sql: string) => server.query<Row>(name, sql);
      await run("ALTER DEFAULT PRIVILEGES GRANT SELECT, UPDATE ON TABLES TO barbican");
      return {
        url: `postgresql://barbican:${PASSWORD}@127.0.0.1:${proxy.port}/${name}`,
        run,
        killWriters: async () =>
          void (await run(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
          )),
        mayUpdate: async (may) =>
          void (await run(`${may ? "GRANT" : "REVOKE"} UPDATE ON kek_data ${may ? "TO" : "FROM"} barbican`)),
      };
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function mariadb(): Promise<FaultyServer> {
  await using opened = new AsyncDisposableStack();
  const server = opened.use(await startMariadb());
  const proxy = opened.use(await startProxyTo(server.socket));
  const kept = opened.move();
  return {
    dialect: "mysql",
    proxy,
    confirms: "COMMIT",
    newPlace: async () => {
      const { name } = await server.newDatabase();
      const run = <Row extends object>(sql: string) => server.query<Row & RowDataPacket>(name, sql);
      await run(`ALTER USER ${name}@localhost IDENTIFIED BY '${PASSWORD}'`);
      await run(`CREATE USER ${name}@'127.0.0.1' IDENTIFIED BY '${PASSWORD}'`);
      for (const host of ["localhost", "127.0.0.1"]) {
        await run(`REVOKE ALL PRIVILEGES ON ${name}.* FROM ${name}@'${host}'`).catch(() => undefined);
        await run(`GRANT SELECT ON ${name}.* TO ${name}@'${host}'`);
      }
      return {
        url: `mysql+pymysql://${name}:${PASSWORD}@127.0.0.1:${proxy.port}/${name}`,
        run,
        killWriters: async () => {
          const [row] = await run<{ readonly id: number | null }>(
            `SELECT IS_USED_LOCK('claviger rewrap ${name}') AS id`,
          );
          if (typeof row?.id !== "number") throw new Error("nobody has the lock");
          await run(`KILL ${row.id}`);
        },
        mayUpdate: async (may) => {
          for (const host of ["localhost", "127.0.0.1"])
            await run(
              `${may ? "GRANT" : "REVOKE"} UPDATE ON ${name}.kek_data ${may ? "TO" : "FROM"} ${name}@'${host}'`,
            );
        },
      };
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

const SERVERS = [
  { name: "PostgreSQL", needs: "postgresql", start: postgres },
  { name: "MariaDB", needs: "mariadb", start: mariadb },
] as const;

describe.for(SERVERS)("a rewrap on $name", { timeout: 60_000 }, ({ needs, start }) => {
  const isSkipped = isWithout("softhsm2") || isWithout(needs);
  let at: SceneToken;
  let token: ProjectKeyToken;
  let server: FaultyServer;
  beforeAll(async () => {
    if (isSkipped) return;
    at = sceneToken();
    token = await open(at.token);
    server = await start();
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await token?.close();
    at?.[Symbol.dispose]();
  });

  const scene = async (): Promise<Scene & { readonly place: FaultyPlace }> => {
    const place = await server.newPlace();
    const made = await newScene({
      ...at,
      movable: MOVABLE,
      at: { place, dialect: server.dialect, password: PASSWORD },
    });
    await place.mayUpdate(true);
    return Object.assign(made, { place });
  };
  const finishes = async (barbican: Scene): Promise<void> => {
    const { moved } = await barbican.rows.check();
    const result = await barbican.rewrap(token);
    expect(result).toMatchObject({
      ended: "complete",
      moved: MOVABLE - moved,
      left: barbican.rows.counts.failed,
    });
    expect(await barbican.rows.check()).toEqual({ moved: MOVABLE });
  };

  test.skipIf(isSkipped)(
    "through the command line moves everything, and says nothing that is secret",
    async () => {
      await using barbican = await scene();
      const ran = await barbican.run("rewrap", "--json");
      expect(ran).toMatchObject({ status: 1, stderr: "" });
      expect(JSON.parse(ran.stdout)).toMatchObject({
        rows: { moved: MOVABLE, left: barbican.rows.counts.failed },
      });
      expect(await barbican.rows.check()).toEqual({ moved: MOVABLE });
      expect(await barbican.secretIn(ran.stdout)).toBeUndefined();
    },
  );

  test.skipIf(isSkipped).for([
    ["before the first page is confirmed", "before", 1, 0],
    ["when the first page is confirmed, and the answer is lost", "after", 1, 100],
    ["before the second page is confirmed", "before", 2, 100],
    ["when the second page is confirmed, and the answer is lost", "after", 2, 200],
  ] as const)(
    "that loses its connection %s ends, and the next run finishes",
    async ([, when, page, written]) => {
      await using barbican = await scene();
      // On PostgreSQL the right to write is tried once by the same statement, without rows.
      const nth = server.dialect === "postgres" ? page + 1 : page;
      server.proxy.cutAt({ text: server.confirms, nth, when });
      const result = await barbican.rewrap(token);
      expect(result).toMatchObject({ ended: "failed", failure: { code: "barbican-database-failed" } });
      expect(result.failure?.message).not.toContain(PASSWORD);
      const { moved } = await barbican.rows.check();
      // Poison rows are among the first hundreds.
      expect(Math.ceil(moved / 100) * 100).toBe(written);
      // The page that got no answer is not counted as moved.
      if (when === "after") expect(result.moved).toBeLessThan(moved);
      else expect(result.moved).toBe(moved);
      await finishes(barbican);
    },
  );

  test.skipIf(isSkipped)("writes pages at once without one that fails taking another with it", async () => {
    await using barbican = await scene();
    // pg warns of a client that is asked while it is busy.
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    const database = await openDatabase(barbican.place.url);
    const [first, second] = (await database.kekRows(null, 300)).filter(
      ({ id }) => !barbican.rows.isUnmovable(id),
    );
    if (!first?.pluginMeta || !second?.pluginMeta) throw new Error("two rows");
    // Neither server takes this for the text of a column.
    const refused = server.dialect === "postgres" ? "\0" : "x".repeat(70_000);
    const [bad, good] = await Promise.allSettled([
      database.replace([{ id: first.id, from: first.pluginMeta, to: refused }]),
      database.replace([{ id: second.id, from: second.pluginMeta, to: "written" }]),
    ]);
    await database.close();
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
    expect([bad.status, good]).toEqual(["rejected", { status: "fulfilled", value: new Set([second.id]) }]);
    const metas = new Map((await barbican.rows.read()).map(({ id, plugin_meta }) => [id, plugin_meta]));
    expect(metas.get(first.id) === first.pluginMeta).toBe(true);
    expect(metas.get(second.id)).toBe("written");
  });

  test.skipIf(isSkipped)(
    "whose lock is lost writes nothing more, though another connection reads on",
    async () => {
      await using barbican = await scene();
      let killed: Promise<void> | undefined;
      const slow: Pick<ProjectKeyToken, "rewrap"> = {
        rewrap: async (keys, target) => {
          const made = await token.rewrap(keys, target);
          // No page is written before.
          if (keys.length > 0) await (killed ??= barbican.place.killWriters());
          return made;
        },
      };
      const result = await barbican.rewrap(slow);
      expect(result).toMatchObject({
        ended: "failed",
        failure: { code: "barbican-database-failed" },
        moved: 0,
      });
      expect(await barbican.rows.check()).toEqual({ moved: 0 });
      await finishes(barbican);
    },
  );

  test.skipIf(isSkipped)("that may not write ends with 3 before it begins", async () => {
    await using barbican = await scene();
    await barbican.place.mayUpdate(false);
    const ran = await barbican.run("rewrap");
    expect(ran).toMatchObject({ status: 3, stdout: "" });
    expect(ran.stderr).toContain("barbican-database-unsuitable");
    expect(await barbican.secretIn(ran.stderr)).toBeUndefined();
    expect(await barbican.rows.check()).toEqual({ moved: 0 });
    await barbican.place.mayUpdate(true);
    await finishes(barbican);
  });

  test.skipIf(isSkipped)("is kept out by a run from elsewhere, until that is gone", async () => {
    await using barbican = await scene();
    const other = await openDatabase(barbican.place.url);
    await other.lockOutOthers();
    await expect(barbican.rewrap(token)).rejects.toMatchObject({ code: "barbican-run-in-progress" });
    const ran = await barbican.run("rewrap");
    expect(ran).toMatchObject({ status: 3, stdout: "" });
    expect(ran.stderr).toContain("barbican-run-in-progress");
    expect(await barbican.secretIn(ran.stderr)).toBeUndefined();
    await other.close();
    await finishes(barbican);
  });
});
