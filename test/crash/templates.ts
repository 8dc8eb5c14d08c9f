import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { ClavigerClient } from "@claviger/sdk";
import type { Ledger } from "./client-load.ts";
import { copyOf, createProject, emptyLedger } from "./client-load.ts";
import { copyFolder } from "./data-folder.ts";
import type { Step } from "./operator.ts";
import { Operator, drive } from "./operator.ts";
import { administrator, startService } from "./service.ts";
import { SECOND_UNIT, STEPS } from "./steps.ts";

/** Where a scenario begins. `empty`: nothing is there; the others have two units and projects with keys. */
export type TemplateName = "empty" | "release 0.1.0" | "base" | "staged" | "ready" | "activated" | "done";

/** How each template comes from another one. */
const MADE_BY: Readonly<
  Record<Exclude<TemplateName, "empty" | "release 0.1.0" | "base">, readonly [TemplateName, readonly Step[]]>
> = {
  staged: ["base", [STEPS.create, STEPS.generate, STEPS.copy, STEPS.commit]],
  ready: ["staged", [STEPS.reencipher]],
  activated: ["ready", [STEPS.activate]],
  done: ["activated", [STEPS.finalize]],
};

const RELEASE_0_1_0 = fileURLToPath(new URL("../fixtures/release-0.1.0", import.meta.url));
/** A principal that nobody calls as. */
export const SPARE_PRINCIPAL = "spare";
/** A project that no client works with: tests damage its row. */
export const SPARE_PROJECT = "spare";

export interface Template {
  readonly folder: string;
  readonly ledger: Ledger;
  readonly secondToken: string;
}

/** Two units, principals, and so many projects with keys; returns the token of the second administrator. */
export async function fillBase(client: ClavigerClient, ledger: Ledger, projects: number): Promise<string> {
  await client.units.add({ address: SECOND_UNIT });
  const { token } = await client.principals.create({ name: "second", grants: [{ role: "administrator" }] });
  await client.principals.create({ name: SPARE_PRINCIPAL, grants: [{ role: "auditor" }] });
  await client.projects.create({ name: SPARE_PROJECT });
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < projects) await createProject(client, ledger, `shop-${(next += 1)}`);
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
  return token;
}

/** Data folders that are made once and copied for every run. All of it is gone when this is disposed of. */
export class Templates implements Disposable {
  /** In memory where there is such a file system: a SIGKILL takes nothing from it either. */
  readonly root: string;
  readonly #projects: number;
  readonly #made = new Map<TemplateName, Promise<Template>>();
  #copies = 0;
  #compiled: Promise<string> | undefined;

  constructor(projects: number) {
    this.root = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "claviger-crash-"));
    this.#projects = projects;
  }

  /** A copy of the template, to be used and broken. */
  async copy(name: TemplateName): Promise<Template> {
    const template = await this.#template(name);
    const folder = join(this.root, `run-${(this.#copies += 1)}`);
    if (name !== "empty") copyFolder(template.folder, folder);
    return { folder, ledger: copyOf(template.ledger), secondToken: template.secondToken };
  }

  /**
   * A folder with the compiled code of the daemon, which its processes start with in half the time. Node writes it when
   * a process ends by itself, which one does here.
   */
  compiled(): Promise<string> {
    return (this.#compiled ??= this.#compile());
  }

  async #compile(): Promise<string> {
    const folder = join(this.root, "compiled");
    const daemon = fileURLToPath(new URL("./crash-daemon.ts", import.meta.url));
    await promisify(execFile)(process.execPath, [daemon, join(this.root, "compiling")], {
      env: { ...process.env, NODE_COMPILE_CACHE: folder },
    });
    return folder;
  }

  #template(name: TemplateName): Promise<Template> {
    let template = this.#made.get(name);
    if (!template) this.#made.set(name, (template = this.#make(name)));
    return template;
  }

  async #make(name: TemplateName): Promise<Template> {
    const folder = join(this.root, name);
    if (name === "empty") return { folder, ledger: emptyLedger(), secondToken: "none" };
    if (name === "release 0.1.0") {
      copyFolder(RELEASE_0_1_0, folder);
      const secondToken = readFileSync(join(folder, "second.token"), "utf8").trim();
      return { folder, ledger: emptyLedger(), secondToken };
    }
    if (name === "base") return this.#makeBase(folder);
    const [before, steps] = MADE_BY[name];
    const { folder: source, ledger, secondToken } = await this.#template(before);
    copyFolder(source, folder);
    await using service = await startService(folder);
    using operator = new Operator(service, { secondToken, ledger, retries: 2 });
    await drive(operator, steps);
    return { folder, ledger, secondToken };
  }

  async #makeBase(folder: string): Promise<Template> {
    const ledger = emptyLedger();
    await using service = await startService(folder);
    const client = administrator(service, 2);
    const secondToken = await fillBase(client, ledger, this.#projects);
    client.close();
    return { folder, ledger, secondToken };
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
