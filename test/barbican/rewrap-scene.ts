import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { randomBytes } from "node:crypto";
import { openDatabase } from "../../packages/server/src/barbican/database/open-database.ts";
import type { ProjectKeyToken } from "../../packages/server/src/core/barbican/project-key-token.ts";
import type { RewrapResult } from "../../packages/server/src/core/barbican/rewrap-project-keys.ts";
import { rewrapProjectKeys } from "../../packages/server/src/core/barbican/rewrap-project-keys.ts";
import type { Clock } from "../../packages/server/src/core/clock.ts";
import { SCRATCH } from "../model/scratch.ts";
import type { Shim } from "../pkcs11/shim.ts";
import { shimFor } from "../pkcs11/shim.ts";
import type { TestToken } from "../pkcs11/tokens.ts";
import { softHsmToken } from "../pkcs11/tokens.ts";
import { KnownRows, TWICE } from "./known-rows.ts";
import { KEYS, to } from "./known-token.ts";
import type { Place } from "./places.ts";
import { sqlitePlaces } from "./places.ts";
import type { Dialect } from "./schema.ts";
import type { Ran } from "./run-clavigerd.ts";
import { importKeys } from "./token-with-keys.ts";

const CLAVIGERD = fileURLToPath(new URL("../../packages/server/bin/clavigerd.js", import.meta.url));

/** A token of SoftHSM with the master keys of a Barbican, behind a shim that makes it fail. */
export interface SceneToken extends Disposable {
  readonly token: TestToken;
  readonly shim: Shim;
}

const STILL: Clock = { nowMs: () => 0, sleep: () => Promise.resolve() };

/** Under the new master keys, as the barbican.conf of a scene says it. */
export const TARGET = to("CKM_AES_KEY_WRAP_PAD");

export function sceneToken(): SceneToken {
  const token = softHsmToken("barbican");
  importKeys(token, KEYS);
  for (const value of [randomBytes(32), randomBytes(32)])
    importKeys(token, [{ use: "mkek", label: TWICE, value }]);
  const shim = shimFor(token);
  return {
    token,
    shim,
    [Symbol.dispose]: () => {
      shim[Symbol.dispose]();
      token[Symbol.dispose]();
    },
  };
}

/** What an operator has who rotates: a barbican.conf that names the new master keys, and a database under the old ones. */
export interface Scene extends AsyncDisposable, Pick<SceneToken, "token" | "shim"> {
  readonly place: Place;
  readonly rows: KnownRows;
  /** For what a test writes. */
  readonly folder: string;
  readonly conf: string;
  /** Writes barbican.conf anew, with other options in the place of its own. */
  configure(options?: Readonly<Record<string, string>>): void;
  /** Runs `clavigerd barbican …` with this barbican.conf. */
  run(verb: string, ...flags: readonly string[]): Promise<Ran>;
  /** A rewrap in this process, by a token that is open; in pages of 100 rows, without waiting. */
  rewrap(through: Pick<ProjectKeyToken, "rewrap">): Promise<RewrapResult>;
  /** As `run`, with file systems of its own: shell commands that go before it, and one that comes after it. */
  runMounted(mounts: readonly string[], after: string, verb: string): Promise<Ran>;
  /** Begins to, as the leader of a process group of its own. */
  start(verb: string, ...flags: readonly string[]): Running;
  /** A PIN, password or wrapped key that is in what was said or written. */
  secretIn(text: string): Promise<string | undefined>;
}

export interface Running {
  readonly pid: number;
  /** The signal that has ended it; its unit hosts may still be there. */
  readonly ended: Promise<NodeJS.Signals | null>;
  readonly ran: Promise<Ran>;
}

export interface SceneOptions extends Pick<SceneToken, "token" | "shim"> {
  readonly movable: number;
  /** A database, and its words; a file of SQLite if it is not given. */
  readonly at?: { readonly place: Place; readonly dialect: Dialect; readonly password?: string };
}

export async function newScene({ token, shim, movable, at }: SceneOptions): Promise<Scene> {
  const folder = mkdtempSync(join(SCRATCH, "claviger-rewrap-"));
  await using opened = new AsyncDisposableStack();
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  const { place, dialect, password } = at ?? { ...(await ownPlace(opened)), password: undefined };
  const rows = await KnownRows.fill(place, dialect, movable);
  const conf = join(folder, "barbican.conf");
  const usual = {
    library_path: shim.module,
    token_labels: token.label,
    login: token.pin,
    mkek_label: "neu",
    hmac_label: "neu",
    hmac_key_type: "CKK_GENERIC_SECRET",
    key_wrap_mechanism: "CKM_AES_KEY_WRAP_PAD",
    key_wrap_generate_iv: "False",
  };
  const configure = (options: Readonly<Record<string, string>> = {}): void => {
    const { connection = place.url, ...p11 } = { ...usual, ...options };
    const lines = Object.entries(p11).map(([name, value]) => `${name} = ${value}\n`);
    writeFileSync(conf, `[database]\nconnection = ${connection}\n[p11_crypto_plugin]\n${lines.join("")}`);
  };
  configure();
  const commandOf = (verb: string, flags: readonly string[] = []): readonly [string, ...string[]] => [
    process.execPath,
    CLAVIGERD,
    "barbican",
    verb,
    "--config",
    conf,
    ...flags,
  ];
  const begin = ([program, ...args]: readonly [string, ...string[]]): Running => {
    // What a killed one leaves goes with the scene.
    const env = { ...process.env, ...shim.environment, NO_COLOR: "1", TMPDIR: folder };
    const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"], detached: true });
    const said = Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    return {
      pid: child.pid ?? 0,
      ended: once(child, "exit").then(() => child.signalCode),
      ran: said.then(([stdout, stderr]) => ({ status: child.exitCode, stdout, stderr })),
    };
  };
  const kept = opened.move();
  return {
    token,
    shim,
    place,
    rows,
    folder,
    conf,
    configure,
    start: (verb, ...flags) => begin(commandOf(verb, flags)),
    rewrap: async (through) => {
      const database = await openDatabase(place.url);
      try {
        return await rewrapProjectKeys(
          { database, token: through, clock: STILL },
          {
            target: TARGET,
            isDryRun: false,
            rowsPerSecond: 100,
            signal: new AbortController().signal,
          },
        );
      } finally {
        await database.close();
      }
    },
    run: (verb, ...flags) => begin(commandOf(verb, flags)).ran,
    runMounted: (mounts, after, verb) => {
      const script = `${[...mounts, '"$0" "$@"'].join(" && ")}; status=$?; ${after}; exit $status`;
      return begin(["unshare", "-m", "sh", "-c", script, ...commandOf(verb)]).ran;
    },
    secretIn: async (output) => {
      const now = (await rows.read()).flatMap(
        ({ plugin_meta }) => plugin_meta?.match(/[\w+/]{40,}=*/g) ?? [],
      );
      const secrets = [
        token.pin,
        ...(password === undefined ? [] : [password]),
        ...rows.wrappedTexts,
        ...now,
      ];
      return secrets.find((secret) => output.includes(secret));
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function ownPlace(
  opened: AsyncDisposableStack,
): Promise<{ readonly place: Place; readonly dialect: Dialect }> {
  const places = opened.use(await sqlitePlaces());
  return { place: await places.newPlace(), dialect: places.dialect };
}
