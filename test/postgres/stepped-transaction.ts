import type { ClientBase } from "pg";
import { Client } from "pg";
import { BEGIN, postgresQueries, runTransaction } from "../../packages/server/src/store/dialects/postgres.ts";
import { isWorthRepeating } from "../../packages/server/src/store/dialects/postgres-failures.ts";
import { clientConfig } from "../../packages/server/src/store/postgres-address.ts";
import type { PostgresAddress } from "../../packages/server/src/store/postgres-address.ts";
import type { ScriptName } from "../../packages/server/src/store/scripts.ts";
import { scriptNamed } from "../../packages/server/src/store/scripts.ts";

/** A call of the store. */
export interface Call {
  readonly name: ScriptName;
  readonly input: object;
}

/** One connection that runs calls as the store does, and stops in front of a statement when it is told to. */
export class SteppedConnection implements AsyncDisposable {
  readonly #client: Client;
  #stopAt = Infinity;
  #statements = 0;
  #reached = Promise.withResolvers<void>();
  #go = Promise.withResolvers<void>();

  private constructor(client: Client) {
    this.#client = client;
  }

  static async open(address: PostgresAddress): Promise<SteppedConnection> {
    const client = new Client(clientConfig(address));
    await client.connect();
    return new SteppedConnection(client);
  }

  /** How many statements the last call took, BEGIN and COMMIT among them. */
  get statements(): number {
    return this.#statements;
  }

  /** Runs a call, and again if it lost against another one. */
  async run({ name, input }: Call): Promise<unknown> {
    const { kind, script } = scriptNamed(name);
    const begin = kind === "scan" ? BEGIN.read : BEGIN[kind];
    for (;;) {
      this.#statements = 0;
      try {
        const gated = {
          query: (statement: object | string) => this.#query(statement),
        } as unknown as ClientBase;
        return await runTransaction(gated, begin, script(postgresQueries, input as never), () => undefined);
      } catch (error) {
        if (!isWorthRepeating(error)) throw error;
      }
    }
  }

  /** Starts a call that stops in front of its n-th statement; resolves when it stands there, or has ended before. */
  async runUntil(call: Call, n: number): Promise<{ readonly result: Promise<unknown> }> {
    this.#stopAt = n;
    this.#reached = Promise.withResolvers<void>();
    this.#go = Promise.withResolvers<void>();
    const result = this.run(call);
    await Promise.race([this.#reached.promise, result]);
    return { result };
  }

  goOn(): void {
    this.#stopAt = Infinity;
    this.#go.resolve();
  }

  /** Whether the call waits for a lock at this moment; `other` is a connection that is free to ask. */
  async isWaiting(other: Client): Promise<boolean> {
    const { rows } = await other.query<{ waits: boolean }>(
      "SELECT wait_event_type = 'Lock' AS waits FROM pg_stat_activity WHERE pid = $1",
      [(this.#client as unknown as { processID: number }).processID],
    );
    return rows[0]?.waits === true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end();
  }

  async #query(statement: object | string): Promise<unknown> {
    if (this.#statements === this.#stopAt) {
      this.#reached.resolve();
      await this.#go.promise;
    }
    this.#statements += 1;
    return await this.#client.query(statement as string);
  }
}
