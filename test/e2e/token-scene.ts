import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ClavigerClient, ClavigerError, isVerified } from "@claviger/sdk";
import type { Interposed } from "../../packages/server/src/compose.ts";
import type { TestDaemon } from "../daemon.ts";
import { startTestDaemon } from "../daemon.ts";
import { softHsmToken } from "../pkcs11/tokens.ts";

/** The address of the only unit, which is a token. */
export const TOKEN_UNIT = "01.0001";

/** A daemon in the folder `data` of `folder` whose only unit is the token, and a client of it; both begin anew as often as needed. */
export class TokenScene implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "claviger-token-"));
  readonly token = softHsmToken();
  #running:
    { readonly daemon: TestDaemon; readonly client: ClavigerClient; readonly log: string[] } | undefined;

  get client(): ClavigerClient {
    return this.#now.client;
  }

  /** Lines of the daemon that runs now. */
  get log(): readonly string[] {
    return this.#now.log;
  }

  async start(interposed: Interposed = {}): Promise<void> {
    const { token, folder } = this;
    const pin = join(folder, "unit.pin");
    writeFileSync(pin, `${token.pin}\n`, { mode: 0o600 });
    const uri = `pkcs11:token=${token.label}?module-path=${token.module}&pin-source=${pin}`;
    const env = {
      ...token.environment,
      CLAVIGER_PKCS11_UNITS: `{ "${TOKEN_UNIT}" = "${uri}" }`,
      CLAVIGER_PKCS11_MODULES: JSON.stringify([token.module]),
      CLAVIGER_PKCS11_ENVIRONMENT: JSON.stringify(Object.keys(token.environment)),
    };
    const log: string[] = [];
    const options = { folder: join(folder, "data"), env, log: (line: string) => void log.push(line) };
    const daemon = await startTestDaemon({ ...options, ...interposed });
    this.#running = { daemon, client: new ClavigerClient(daemon), log };
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    running?.client.close();
    await running?.daemon[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.token[Symbol.dispose]();
    rmSync(this.folder, { recursive: true });
  }

  get #now() {
    if (!this.#running) throw new Error("no daemon runs");
    return this.#running;
  }
}

/** A change to a new master key, from its beginning to its end. The pattern of CURRENT. */
export async function changeMasterKey(client: ClavigerClient): Promise<string> {
  const { id } = await client.changes.create();
  const [made] = await client.masterKeys.generate({ unit: TOKEN_UNIT });
  const vp = made?.registers.NEW.vp ?? "none";
  await client.masterKeys.commit({ vp });
  await client.waitForChange(id, "STAGED");
  await client.changes.reencipher(id);
  await client.waitForChange(id, "READY");
  await client.changes.activate(id, { vp });
  await client.waitForChange(id, isVerified);
  await client.changes.finalize(id);
  await client.waitForChange(id, "DONE");
  return vp;
}

/** The code by which the daemon refuses it, or `done`. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "done";
  } catch (error) {
    if (error instanceof ClavigerError) return error.code;
    throw error;
  }
}

export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; !(await holds()); i += 1) {
    if (i > 400) throw new Error("it does not come about");
    await sleep(50);
  }
}
