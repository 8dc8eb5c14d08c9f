import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SCRATCH } from "../model/scratch.ts";
import type { TestToken } from "../pkcs11/tokens.ts";
import { startBarbicanApi } from "./barbican-api.ts";
import type { BarbicanConf, Labels } from "./barbican-conf.ts";
import { PASTE_INI, barbicanConf } from "./barbican-conf.ts";
import { PYTHON, needBarbican } from "./installed.ts";

/**
 * A real Barbican with its own p11_crypto plugin: upstream's schema, upstream's API in a process of its own, and a folder
 * that goes with it. Nothing is read or written elsewhere: upstream looks for barbican.conf in ~/.barbican first, and its
 * home is the folder.
 */
export interface Barbican extends AsyncDisposable {
  /** Path of barbican.conf. */
  readonly config: string;
  /** As SQLAlchemy takes it. */
  readonly databaseUrl: string;
  /** What a process needs in its environment that reads this barbican.conf or loads its token. */
  readonly environment: Readonly<Record<string, string>>;
  /** Stores text, as a user of a project does. Returns the reference of the secret. */
  storeSecret(projectId: string, text: string): Promise<string>;
  /** @throws Error with the status where Barbican does not give it. */
  readSecret(projectId: string, ref: string): Promise<string>;
  deleteSecret(projectId: string, ref: string): Promise<void>;
  /** Makes an MKEK and an HMAC key by upstream's own gen_mkek and gen_hmac. */
  makeKeys(labels: Labels): void;
  /**
   * Writes other labels to barbican.conf. The API goes on with its own; it reads them when it first uses the token, which is
   * for the first secret, and not when it starts.
   */
  configure(labels: Labels): void;
  /**
   * Runs upstream's own barbican-manage and returns what it printed.
   * @throws Error where its exit status is not 0.
   */
  manage(...words: readonly string[]): string;
  /** Runs an SQL statement beside Barbican and returns its rows. */
  sql<Row extends object>(statement: string): readonly Row[];
  /** Starts the API anew, on the same port. */
  restart(labels?: Labels): Promise<void>;
  /** Ends the API; the database and barbican.conf stay. */
  stop(): Promise<void>;
}

export interface BarbicanOptions {
  readonly token: TestToken;
  /** As SQLAlchemy takes it, of an empty database; SQLite in Barbican's folder if none is given. */
  readonly databaseUrl?: string | undefined;
  /** Keys that the token does not have yet. */
  readonly labels: Labels;
  /** For secrets: CKM_AES_GCM, if none is given. */
  readonly encryptionMechanism?: BarbicanConf["encryptionMechanism"];
}

const LOG_SHOWN = 10_000;

export async function startBarbican({ token, labels, ...options }: BarbicanOptions): Promise<Barbican> {
  const { encryptionMechanism = "CKM_AES_GCM" } = options;
  needBarbican();
  await using begun = new AsyncDisposableStack();
  const folder = mkdtempSync(join(SCRATCH, "claviger-barbican-"));
  begun.defer(() => rmSync(folder, { recursive: true }));
  const databaseUrl = options.databaseUrl ?? `sqlite:///${join(folder, "barbican.sqlite")}`;
  const environment = { ...token.environment, HOME: folder };
  const env = { PATH: process.env["PATH"], ...environment };
  const config = join(folder, ".barbican", "barbican.conf");
  mkdirSync(join(config, ".."));
  const pasteIni = join(folder, "paste.ini");
  writeFileSync(pasteIni, PASTE_INI);
  const log = join(folder, "barbican.log");
  const python = (program: string, args: readonly string[], input: string): string => {
    const options = { cwd: folder, env, input, encoding: "utf8" } as const;
    const { status, stdout, stderr } = spawnSync(PYTHON, [here(program), ...args], options);
    if (status !== 0) throw new Error(`${program} failed: ${stdout}${stderr}`);
    return stdout;
  };
  const manage = (...commands: readonly (readonly string[])[]): string =>
    python("barbican-manage.py", [], JSON.stringify(commands));
  const configure = (to: Labels): void =>
    writeFileSync(config, barbicanConf({ token, databaseUrl, labels: to, encryptionMechanism, log }), {
      mode: 0o600,
    });
  const generating = ({ mkek, hmac }: Labels) => [
    ["hsm", "gen_mkek", "--label", mkek],
    ["hsm", "gen_hmac", "--label", hmac],
  ];
  configure(labels);
  manage(...generating(labels), ["db", "upgrade"]);
  const start = (port: number) => startBarbicanApi({ pasteIni, port, folder, environment: env });
  let api = await start(0);
  begun.defer(() => api.end());
  const { port } = api;

  const ask = async (projectId: string, path: string, init: RequestInit = {}): Promise<string> => {
    const url = new URL(path, `http://127.0.0.1:${port}`);
    const headers = new Headers(init.headers);
    headers.set("x-project-id", projectId);
    const response = await fetch(url, { ...init, headers });
    const text = await response.text();
    if (!response.ok) throw new Error(`Barbican answered ${response.status}: ${text}`, { cause: endOf(log) });
    return text;
  };
  const owned = begun.move();
  return {
    config,
    databaseUrl,
    environment,
    makeKeys: (to) => void manage(...generating(to)),
    configure,
    manage: (...words) => manage(words),
    sql: (statement) => JSON.parse(python("run-sql.py", [databaseUrl], statement)) as never,
    storeSecret: async (projectId, payload) => {
      const answer = await ask(projectId, "/v1/secrets", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ payload, payload_content_type: "text/plain" }),
      });
      return (JSON.parse(answer) as { readonly secret_ref: string }).secret_ref;
    },
    readSecret: (projectId, ref) => ask(projectId, `${ref}/payload`, { headers: { accept: "text/plain" } }),
    deleteSecret: async (projectId, ref) => void (await ask(projectId, ref, { method: "DELETE" })),
    restart: async (to) => {
      await api.end();
      if (to) configure(to);
      api = await start(port);
    },
    stop: () => api.end(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The end of a log. */
function endOf(path: string): string {
  return readFileSync(path, "utf8").slice(-LOG_SHOWN);
}

function here(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
