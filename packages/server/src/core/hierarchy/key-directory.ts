import { projectNotFound } from "../access/admission.ts";
import type { VouchedRows } from "../access/vouched-rows.ts";
import { Failure } from "../errors.ts";
import type { KeyId, ProjectId } from "../ids.ts";
import type { KeyStore, ProjectStore } from "../ports/store.ts";
import { BoundedCache } from "./bounded-cache.ts";
import type { KeyRecord, KeyVersionRecord, ProjectRecord } from "./records.ts";
import { isReservedProject } from "./reserved-project.ts";

const LIMIT = 50_000;

export interface KeyDirectoryPorts {
  readonly store: Pick<ProjectStore, "findProject"> & Pick<KeyStore, "findKey" | "readKeyVersion">;
  readonly vouchedRows: VouchedRows;
}

/** Keys by what callers name them, each checked by its MAC when it is read: bounded, and dropped when a key changes. */
export class KeyDirectory {
  readonly #ports: KeyDirectoryPorts;
  readonly #projects = new BoundedCache<ProjectRecord>(LIMIT, () => undefined);
  readonly #keys = new BoundedCache<KeyRecord>(LIMIT, () => undefined);
  readonly #versions = new BoundedCache<KeyVersionRecord>(LIMIT, () => undefined);

  constructor(ports: KeyDirectoryPorts) {
    this.#ports = ports;
  }

  /**
   * By id or by name. The reserved project does not exist for callers.
   * @throws Failure `project-not-found`.
   */
  async project(ref: string): Promise<ProjectRecord> {
    const found = this.#projects.find(ref);
    if (found) return found;
    return await this.#projects.use(
      ref,
      async () => {
        const project = await this.#ports.store.findProject({ ref });
        if (!project || isReservedProject(project.id)) {
          throw projectNotFound();
        }
        return project;
      },
      keep,
    );
  }

  /**
   * By id or by name within the project.
   * @throws Failure `key-not-found`, `record-not-vouched`.
   */
  async key(projectId: ProjectId, ref: string): Promise<KeyRecord> {
    const name = `${projectId}/${ref}`;
    const found = this.#keys.find(name);
    if (found) return found;
    return await this.#keys.use(
      name,
      async () => {
        const key = await this.#ports.store.findKey({ projectId, ref });
        if (!key)
          throw new Failure("key-not-found", "there is no such key in this project", { field: "key" });
        return this.#ports.vouchedRows.checkKey(key);
      },
      keep,
    );
  }

  /** @throws Failure `key-not-found`, `record-not-vouched`. */
  async version(key: KeyRecord, version: number): Promise<KeyVersionRecord> {
    const name = `${key.id}/${version}`;
    const found = this.#versions.find(name);
    if (found) return found;
    return await this.#versions.use(
      name,
      async () => {
        const found = await this.#ports.store.readKeyVersion({ keyId: key.id, version });
        if (found?.projectId !== key.projectId) {
          throw new Failure("key-not-found", `the key has no version ${version}`);
        }
        return this.#ports.vouchedRows.checkVersion(found);
      },
      keep,
    );
  }

  /** Forgets every key: something was revoked. Versions stay, for what they say never changes. */
  forgetKeys(): void {
    this.#keys.drop(() => true);
  }

  /**
   * Runs a write that changes a key, and forgets the key afterwards, whatever came of it: a write that failed may have
   * been done. What is being read meanwhile is not kept either.
   */
  async changing<Result>(keyId: KeyId, write: () => Promise<Result>): Promise<Result> {
    try {
      return await write();
    } finally {
      this.#keys.drop((_, key) => key.id === keyId);
      this.#versions.drop((_, version) => version.keyId === keyId);
    }
  }
}

const keep = <Value>(value: Value): Promise<Value> => Promise.resolve(value);
