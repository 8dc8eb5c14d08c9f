import { parentPort, workerData } from "node:worker_threads";
import { yieldToServingThreads } from "../core/background-thread.ts";
import { Failure, isFailure } from "../core/errors.ts";
import type { FailureCode } from "../core/errors.ts";
import { SqliteConnection, sqliteQueries } from "./dialects/sqlite.ts";
import type { Script } from "./script.ts";
import type { ScriptName } from "./scripts.ts";
import { scriptNamed } from "./scripts.ts";

/**
 * A thread with one connection that runs scripts in the order in which they arrive. The writing thread owns the only
 * connection that writes: commits and their waits for the disk stay off the event loop, and nobody competes for the
 * write lock. A second one, read-only, does the scans.
 */
export interface ScriptThreadSettings {
  readonly path: string;
  readonly readOnly: boolean;
  /** Whether all scripts read one and the same snapshot. */
  readonly snapshot?: boolean;
}

export interface ScriptCall {
  readonly id: number;
  readonly name: ScriptName;
  readonly input: unknown;
}

/** Sent once the connection is open; then one for each call, in order. */
export type ScriptAnswer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: { code: FailureCode; detail: string; cause: string } };

if (parentPort) serve(parentPort, workerData as ScriptThreadSettings);

function serve(port: NonNullable<typeof parentPort>, settings: ScriptThreadSettings): void {
  if (settings.readOnly) yieldToServingThreads();
  const connection = new SqliteConnection(settings.path, settings);
  port.postMessage("ready");
  port.on("message", (call: ScriptCall | "close") => {
    if (call === "close") {
      connection.close();
      port.close();
      return;
    }
    port.postMessage(answer(connection, settings, call));
  });
}

function answer(
  connection: SqliteConnection,
  settings: ScriptThreadSettings,
  call: ScriptCall,
): ScriptAnswer {
  try {
    const script = scriptNamed(call.name).script(sqliteQueries, call.input as never);
    return { id: call.id, result: runIn(connection, settings, script) };
  } catch (error) {
    const failure = isFailure(error)
      ? error
      : new Failure("internal", `the store call ${call.name} failed`, { cause: error });
    return {
      id: call.id,
      failure: { code: failure.code, detail: failure.message, cause: describe(failure.cause) },
    };
  }
}

function runIn(
  connection: SqliteConnection,
  settings: ScriptThreadSettings,
  script: Script<unknown>,
): unknown {
  if (settings.snapshot === true) return connection.readOnSnapshot(script);
  return settings.readOnly ? connection.read(script) : connection.write(script);
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : "";
}
