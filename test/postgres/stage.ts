import { Client } from "pg";
import type { PostgresAddress } from "../../packages/server/src/store/postgres-address.ts";
import type { Call } from "./stepped-transaction.ts";
import { SteppedConnection } from "./stepped-transaction.ts";

/** A database that can be put back to where it was, and two connections to it. */
export class Stage implements AsyncDisposable {
  readonly one: SteppedConnection;
  readonly other: SteppedConnection;
  readonly #observer: Client;
  readonly #putBack: string;
  readonly #content: string;

  private constructor(
    one: SteppedConnection,
    other: SteppedConnection,
    observer: Client,
    tables: readonly Table[],
  ) {
    this.one = one;
    this.other = other;
    this.#observer = observer;
    const restored = tables.flatMap(({ name, counter }) => [
      `DELETE FROM ${name}`,
      `INSERT INTO ${name} OVERRIDING SYSTEM VALUE SELECT * FROM saved.${name}`,
      ...(counter === null
        ? []
        : [
            `SELECT setval(pg_get_serial_sequence('${name}', '${counter}'), (SELECT coalesce(max(${counter}), 0) + 1 FROM ${name}), false)`,
          ]),
    ]);
    this.#putBack = restored.join("; ");
    // `n` only orders rows, and a transaction that is rolled back uses it up too.
    const rows = tables.map(
      ({ name }) => `SELECT '${name}' AS name, to_jsonb(t) - 'n' AS row FROM ${name} AS t`,
    );
    this.#content = `${rows.join(" UNION ALL ")} ORDER BY 1, 2`;
  }

  static async set(address: PostgresAddress): Promise<Stage> {
    const observer = new Client({ ...address, ssl: false });
    await observer.connect();
    const { rows: tables } = await observer.query<Table>(
      `SELECT relname AS name, (SELECT attname FROM pg_attribute WHERE attrelid = pg_class.oid AND attidentity <> '') AS counter
       FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
    );
    const saved = tables.map(({ name }) => `CREATE TABLE saved.${name} AS TABLE ${name}`);
    await observer.query(["CREATE SCHEMA saved", ...saved].join("; "));
    const [one, other] = [await SteppedConnection.open(address), await SteppedConnection.open(address)];
    return new Stage(one, other, observer, tables);
  }

  async putBack(): Promise<void> {
    await this.#observer.query(this.#putBack);
  }

  async content(): Promise<unknown> {
    return (await this.#observer.query(this.#content)).rows;
  }

  otherWaits(): Promise<boolean> {
    return this.other.isWaiting(this.#observer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.one[Symbol.asyncDispose]();
    await this.other[Symbol.asyncDispose]();
    await this.#observer.end();
  }
}

interface Table {
  readonly name: string;
  readonly counter: string | null;
}

/** What came of two calls. */
interface Outcome {
  readonly first: unknown;
  readonly second: unknown;
  readonly content: unknown;
}

export async function oneAfterTheOther(
  stage: Stage,
  first: Call,
  second: Call,
): Promise<Outcome & { statements: number }> {
  await stage.putBack();
  const firstResult = await stage.one.run(first);
  const { statements } = stage.one;
  const secondResult = await stage.one.run(second);
  return { first: firstResult, second: secondResult, content: await stage.content(), statements };
}

/** Runs `second` while `first` stands in front of its n-th statement: until it is done, or waits for `first`. */
export async function sideBySide(stage: Stage, first: Call, second: Call, n: number): Promise<Outcome> {
  await stage.putBack();
  const stopped = await stage.one.runUntil(first, n);
  let isDone = false;
  const result = stage.other.run(second).finally(() => (isDone = true));
  while (!isDone && !(await stage.otherWaits())) await Promise.race([result, Promise.resolve()]);
  stage.one.goOn();
  return { first: await stopped.result, second: await result, content: await stage.content() };
}
