import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ClavigerError } from "@claviger/sdk";
import type { ClavigerClient } from "@claviger/sdk";

/** What clients were told had been done. It must be true for ever after. */
export interface Ledger {
  readonly projects: Set<string>;
  /** `project/key` */
  readonly keys: Set<string>;
  readonly ciphertexts: Sealed[];
}

interface Sealed {
  readonly project: string;
  readonly key: string;
  readonly plaintext: Uint8Array;
  readonly ciphertext: Uint8Array;
}

export function emptyLedger(): Ledger {
  return { projects: new Set(), keys: new Set(), ciphertexts: [] };
}

export function copyOf(ledger: Ledger): Ledger {
  return {
    projects: new Set(ledger.projects),
    keys: new Set(ledger.keys),
    ciphertexts: [...ledger.ciphertexts],
  };
}

const CONTEXT = { purpose: "crash test" };
const KEY = "k";

/** A new project with a key and a ciphertext; each step is in the ledger as soon as it was answered. */
export async function createProject(client: ClavigerClient, ledger: Ledger, name: string): Promise<void> {
  await client.projects.create({ name });
  ledger.projects.add(name);
  await client.keys.create({ project: name, name: KEY });
  ledger.keys.add(`${name}/${KEY}`);
  await encrypt(client, ledger, name);
}

export async function encrypt(client: ClavigerClient, ledger: Ledger, project: string): Promise<void> {
  const plaintext = new Uint8Array(randomBytes(24));
  const { ciphertext } = await client.keys.encrypt({ project, key: KEY, plaintext, context: CONTEXT });
  ledger.ciphertexts.push({ project, key: KEY, plaintext, ciphertext });
}

export async function dataKey(client: ClavigerClient, ledger: Ledger, project: string): Promise<void> {
  const { plaintext, ciphertext } = await client.keys.generateDataKey({
    project,
    key: KEY,
    context: CONTEXT,
  });
  ledger.ciphertexts.push({ project, key: KEY, plaintext, ciphertext });
}

/** @throws if it does not decrypt to what it was. */
export async function decrypt(client: ClavigerClient, sealed: Sealed): Promise<void> {
  const { project, ciphertext } = sealed;
  const { plaintext } = await client.keys.decrypt({ project, ciphertext, context: CONTEXT });
  if (Buffer.compare(plaintext, sealed.plaintext) !== 0)
    throw new Error(`a ciphertext of project ${project} has decrypted to something else`);
}

/** Clients at work, until they are stopped or the daemon is gone. What they are told goes to the ledger. */
export class ClientLoad {
  readonly #ledger: Ledger;
  readonly #running: Promise<unknown>;
  #stopped = false;
  /** Requests that were answered. */
  answered = 0;
  /** A request was refused; `stop` tells. */
  failed = false;

  constructor(
    client: ClavigerClient,
    ledger: Ledger,
    names: string,
    creation: "creates" | "creates nothing" = "creates",
  ) {
    this.#ledger = ledger;
    let created = 0;
    this.#running = Promise.all([
      this.#repeat((any) => encrypt(client, ledger, any.project)),
      this.#repeat((any) => decrypt(client, any)),
      this.#repeat((any) => dataKey(client, ledger, any.project)),
      creation === "creates" && this.#loop(() => createProject(client, ledger, `${names}-${(created += 1)}`)),
    ]);
    this.#running.catch(() => undefined); // whoever stops the load is told
  }

  /** Ends the load. @throws if any request was refused: no fault of the service but its death excuses one. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  #repeat(request: (any: Sealed) => Promise<void>): Promise<void> {
    return this.#loop(async () => {
      const all = this.#ledger.ciphertexts;
      const any = all[Math.floor(Math.random() * all.length)];
      if (any) await request(any);
    });
  }

  async #loop(request: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      try {
        await request();
        this.answered += 1;
      } catch (error) {
        if (isConnectionGone(error)) return;
        this.#stopped = true;
        this.failed = true;
        throw error;
      }
      await sleep(25);
    }
  }
}

/** Whether there is no reply because there is nobody any more to give one. */
export function isConnectionGone(error: unknown): boolean {
  return (
    error instanceof ClavigerError &&
    (error.code === "connection-lost" || error.code === "server-unreachable")
  );
}

/**
 * Checks what clients were told: all of it, or the newest replies. @throws naming what is not true any more.
 */
export async function checkLedger(client: ClavigerClient, ledger: Ledger, newest?: number): Promise<void> {
  const projects = new Set<string>();
  for await (const project of client.projects.all()) projects.add(project.name);
  for (const name of ledger.projects)
    if (!projects.has(name)) throw new Error(`project ${name} was created and is gone`);
  const sealed = new Set(ledger.ciphertexts.map(({ project, key }) => `${project}/${key}`));
  const unused = [...ledger.keys].filter((key) => !sealed.has(key));
  for (const name of unused) {
    const [project = "", key = ""] = name.split("/");
    await client.keys.get({ project, key });
  }
  const waiting = newest === undefined ? [...ledger.ciphertexts] : ledger.ciphertexts.slice(-newest);
  const lane = async (): Promise<void> => {
    for (let next = waiting.pop(); next; next = waiting.pop()) await decrypt(client, next);
  };
  await Promise.all(Array.from({ length: 8 }, lane));
}
