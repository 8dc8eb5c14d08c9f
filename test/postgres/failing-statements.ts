import { AsyncLocalStorage } from "node:async_hooks";
import { Client } from "pg";
import type { Store } from "../../packages/server/src/core/ports/store.ts";
import { SCRIPTS } from "../../packages/server/src/store/scripts.ts";
import { kindOf } from "../crash/call-kind.ts";

/** What the server is sent in place of a statement, and what the service says then. */
export const FAULTS = {
  /** SQLSTATE 53100, disk_full; the transaction is aborted. */
  full: { sql: "DO $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$", said: "store-full" },
  /** The connection is lost, and with it the transaction. */
  lost: { sql: "SELECT pg_terminate_backend(pg_backend_pid())", said: "store-failed" },
} as const;
export type Fault = keyof typeof FAULTS;

interface Call {
  readonly kind: string;
  /** Of the transaction that it runs now. */
  client: Client | undefined;
  statements: number;
  hit: boolean;
}

type Query = (this: Client, statement: string | { readonly text: string }) => Promise<unknown>;

/**
 * Has statements of writes fail in this process, beneath the store: in the driver, by what the server is sent instead.
 * While it is armed each statement of each kind of write fails once, from BEGIN to COMMIT.
 */
export class FailingStatements implements Disposable {
  readonly #calls = new AsyncLocalStorage<Call>();
  readonly #query: Query = Reflect.get(Client.prototype, "query");
  readonly #failed = new Set<string>();
  readonly #hits: string[] = [];
  #fault: Fault | undefined;
  #round = "";

  constructor() {
    const send: Query = this.#query;
    const replaced = (client: Client, text: string): string | undefined => this.#replacement(client, text);
    Reflect.set(Client.prototype, "query", function (this: Client, ...input: Parameters<Query>) {
      const [statement] = input;
      const instead = replaced(this, typeof statement === "string" ? statement : statement.text);
      return instead === undefined ? send.apply(this, input) : send.call(this, instead);
    });
  }

  /** Says of each statement of which kind of call it is. */
  readonly between = (store: Store): Store => {
    const named: Record<string, unknown> = { ...store };
    for (const [name, { kind }] of Object.entries(SCRIPTS)) {
      if (kind !== "write") continue;
      const write = named[name] as (input: unknown) => Promise<unknown>;
      named[name] = async (input: Readonly<Record<string, unknown>>) => {
        const call = { kind: kindOf({ name, input }), client: undefined, statements: 0, hit: false };
        return await this.#calls.run(call, () => write(input));
      };
    }
    return named as unknown as Store;
  };

  /** Of a new round each statement fails all over again. */
  arm(fault: Fault, round: string): void {
    if (round !== this.#round) this.#failed.clear();
    this.#round = round;
    this.#fault = fault;
  }

  disarm(): void {
    this.#fault = undefined;
  }

  hits(): readonly string[] {
    return [...this.#hits];
  }

  [Symbol.dispose](): void {
    Reflect.set(Client.prototype, "query", this.#query);
  }

  #replacement(client: Client, text: string): string | undefined {
    const call = this.#calls.getStore();
    if (!call) return undefined;
    if (text.startsWith("BEGIN")) Object.assign(call, { client, statements: 0 });
    if (call.client !== client || text === "ROLLBACK") return undefined;
    call.statements += 1;
    const place = `${call.kind} #${call.statements} ${text.split(" ", 1)[0]}`;
    if (this.#fault === undefined || call.hit || this.#failed.has(place)) return undefined;
    call.hit = true;
    this.#failed.add(place);
    this.#hits.push(place);
    return FAULTS[this.#fault].sql;
  }
}
