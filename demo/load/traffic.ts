import { randomFillSync } from "node:crypto";
import type { ClavigerClient } from "@claviger/sdk";
import { Ledger, isPlaintextOf } from "./ledger.ts";

/** Of a thousand requests; what is left is decrypted. */
const PER_MILLE = { project: 5, key: 5, dataKey: 30, encrypt: 480 } as const;
const PLAINTEXT_BYTES = 100;

/** A reply that is no refusal, and wrong. */
export class WrongPlaintext extends Error {
  readonly code = "wrong-plaintext";
}

/**
 * What an application asks for: mostly encrypt and decrypt, some data keys, now and then a new project or key. A new
 * key is used at once, so that those which are made while the master key changes are in the ledger too.
 */
export class Traffic {
  readonly ledger = new Ledger();
  /** Whether every ciphertext goes into the ledger, or only the first of a key. */
  keepAll = true;
  readonly #client: ClavigerClient;
  /** Makes the names of this thread unlike those of others. */
  readonly #name: string;
  readonly #keys: { readonly project: string; readonly key: string }[] = [];
  readonly #unusedKeys: { readonly project: string; readonly key: string }[] = [];
  readonly #projectsWithoutKey: string[] = [];
  #made = 0;

  constructor(client: ClavigerClient, name: string) {
    this.#client = client;
    this.#name = name;
  }

  /** A project with a key and a ciphertext. */
  async populateOne(): Promise<void> {
    await this.#createProject();
    await this.#createKey();
    await this.#encrypt();
  }

  /** One request of the mix. Rejects when it failed in spite of the SDK's repetitions, or the plaintext is wrong. */
  async requestAny(): Promise<void> {
    const die = Math.random() * 1000;
    const { project, key, dataKey, encrypt } = PER_MILLE;
    if (die < project) await this.#createProject();
    else if (die < project + key) await this.#createKey();
    else if (die < project + key + dataKey) await this.#generateDataKey();
    else if (die < project + key + dataKey + encrypt) await this.#encrypt();
    else await this.#decryptAny();
  }

  async #createProject(): Promise<void> {
    this.#made += 1;
    const { id } = await this.#client.projects.create({ name: `shop-${this.#name}-${this.#made}` });
    this.#projectsWithoutKey.push(id);
  }

  async #createKey(): Promise<void> {
    this.#made += 1;
    const project = this.#projectsWithoutKey.pop() ?? this.#anyKey().project;
    const { id } = await this.#client.keys.create({ project, name: `orders-${this.#made}` });
    this.#unusedKeys.push({ project, key: id });
  }

  async #encrypt(): Promise<void> {
    const unused = this.#unusedKeys.pop();
    const { project, key } = unused ?? this.#anyKey();
    const plaintext = randomFillSync(new Uint8Array(PLAINTEXT_BYTES));
    const { ciphertext } = await this.#client.keys.encrypt({
      project,
      key,
      plaintext,
      context: { shop: project },
    });
    if (unused) this.#keys.push(unused);
    if (unused || this.keepAll) this.ledger.keep(project, key, ciphertext, plaintext);
  }

  async #generateDataKey(): Promise<void> {
    const { project, key } = this.#anyKey();
    const context = { shop: project };
    const { ciphertext, plaintext } = await this.#client.keys.generateDataKey({ project, key, context });
    if (this.keepAll) this.ledger.keep(project, key, ciphertext, plaintext);
  }

  async #decryptAny(): Promise<void> {
    const kept = this.ledger.any();
    const { project, ciphertext } = kept;
    const { plaintext } = await this.#client.keys.decrypt({
      project,
      ciphertext,
      context: { shop: project },
    });
    if (!isPlaintextOf(kept, plaintext)) throw new WrongPlaintext("a ciphertext decrypted to something else");
  }

  #anyKey(): { readonly project: string; readonly key: string } {
    const key = this.#keys[Math.floor(Math.random() * this.#keys.length)];
    if (key === undefined) throw new Error("there is no key yet");
    return key;
  }
}
