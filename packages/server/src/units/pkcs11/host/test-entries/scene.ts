import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "../../../../core/errors.ts";
import { homeHost } from "../home-host.ts";
import type { HostCall } from "../host-call.ts";
import type { UnitHostsOptions } from "../unit-hosts.ts";
import { UnitHosts } from "../unit-hosts.ts";
import type { Act, Deed } from "./acts.ts";
import { OP } from "./acts.ts";

/** Long enough for whatever a busy machine does meanwhile. */
export const PATIENT = { start: 30_000, quick: 30_000, batch: 30_000, generate: 30_000 };

export const entry = (name: string): URL => new URL(`./${name}.ts`, import.meta.url);

export const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

/** A pool of obedient hosts and a folder for what they log; both are gone at the end of the scope. */
export class Scene implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "unit-hosts-"));
  readonly troubles: string[] = [];
  #pool: UnitHosts | undefined;

  /** One host with nothing to do at its start, unless the options say otherwise. */
  static async open(options: Partial<UnitHostsOptions> = {}): Promise<Scene> {
    const scene = new Scene();
    await scene.open(options);
    return scene;
  }

  async open(options: Partial<UnitHostsOptions>): Promise<void> {
    this.#pool = await UnitHosts.open({
      entry: entry("obedient-host"),
      hosts: 1,
      start: () => json({ deed: { kind: "answer" } } satisfies Act),
      environment: {},
      deadlinesMs: PATIENT,
      onTrouble: (text) => this.troubles.push(text),
      ...options,
    });
  }

  get pool(): UnitHosts {
    if (!this.#pool) throw new Error("the pool is not open");
    return this.#pool;
  }

  /** A log that nothing was written to yet. */
  log(name = "log"): string {
    return join(this.folder, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A call of one byte that is echoed, unless it is told otherwise. */
export function aCall(call: Partial<HostCall> = {}): HostCall {
  return { op: OP.echo, payload: Uint8Array.of(7), deadline: "quick", isRepeatable: true, ...call };
}

/** Its answer is the process id of the host. */
export function anAct(act: Deed | Act, call: Partial<HostCall> = {}): HostCall {
  return aCall({ op: OP.act, payload: json("deed" in act ? act : { deed: act }), ...call });
}

export async function pidOf(answer: Promise<Uint8Array>): Promise<number> {
  return Number(Buffer.from(await answer).toString());
}

/** The process ids that did what this log counts. */
export function logged(log: string): string[] {
  return readFileSync(log, "utf8").split("\n").slice(0, -1);
}

/** What a call fails with. */
export async function failure(call: Promise<unknown>): Promise<Failure> {
  try {
    await call;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

/** A name whose home is this host. */
export function nameAt(host: number, of: number): string {
  for (let name = 0; ; name += 1) if (homeHost(String(name), of) === host) return String(name);
}

/** Whether there is such a process; one that has ended and is not waited for yet is none. */
export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

export async function until(condition: () => boolean): Promise<void> {
  for (const endMs = Date.now() + 20_000; !condition(); await sleep(5)) {
    if (Date.now() > endMs) throw new Error("it did not come to pass");
  }
}
