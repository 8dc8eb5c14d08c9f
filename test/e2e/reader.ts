import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import manifest from "../../package.json" with { type: "json" };
import { rehearse } from "../barbican/rehearsal.ts";
import type { TestToken } from "../pkcs11/tokens.ts";
import type { PostgresServer } from "../postgres/server.ts";
import { startPostgres } from "../postgres/server.ts";
import { match, withKept } from "../cli/transcript.ts";
import type { Step } from "./document.ts";
import { ROOT } from "./document.ts";

const NODE = join(ROOT, "node_modules", ".bin", "node");
const CLAVIGERD = join(ROOT, "packages/server/bin/clavigerd.js");
const SHOWN_ADDRESS = "127.0.0.1:8440";
/** Where documents have the socket of a PostgreSQL server. */
const SHOWN_SOCKET = "/run/postgresql";
/** What only shows how things stand may be typed again until it shows what the document does. */
const ONLY_SHOWS = /npx claviger (status|census|(unit|change|key|project|principal) (list|show))\b/;
const PATIENCE_MS = 20_000;
const NEEDS_DAEMON = /\b(npx claviger|curl)\b/;
/** What a command says that ends with another status than 0. */
const REFUSED = /^claviger: |^in the way: |\bneed it, or cannot be read:$/;
const STAYS_IN_THE_SHELL = /^(export|umask) /;
const EXPORTED = /^export (\w+)=(\S+)$/;

/** In place of npm's `npx` and of curl, which a machine that runs the tests need not have. */
const PROGRAMS: Readonly<Record<string, string>> = {
  npx: `program=$1; shift
    case $program in
      claviger) exec '${NODE}' '${join(ROOT, "packages/cli/bin/claviger.js")}' "$@" ;;
      clavigerd) exec '${NODE}' '${CLAVIGERD}' "$@" ;;
    esac
    exit 127`,
  curl: `exec '${NODE}' -e '
    const [url, ...more] = process.argv.slice(1).filter((word) => word !== "-s");
    const headers = Object.fromEntries(more.filter((word) => word !== "-H").map((line) => line.split(": ")));
    fetch(url, { headers }).then((reply) => reply.text()).then((body) => process.stdout.write(body + "\\n"));' -- "$@"`,
};

/** Someone who does what a document says, in a folder of their own, with a daemon of their own. */
export class Reader implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "claviger-docs-"));
  readonly #bin = join(this.#folder, "bin");
  readonly #home = join(this.#folder, "claviger");
  readonly #kept = new Map<string, string>();
  readonly #names = new Map<string, string>();
  readonly #shell: string[] = [];
  #server: PostgresServer | undefined;
  /** Of the Barbican. */
  #token: TestToken | undefined;
  #daemon: { readonly child: ChildProcess; readonly url: string; readonly said: string } | undefined;

  constructor() {
    mkdirSync(this.#bin);
    mkdirSync(this.#home);
    for (const [name, script] of Object.entries(PROGRAMS)) {
      writeFileSync(join(this.#bin, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(this.#bin, name), 0o755);
    }
  }

  /** Rejects when what happens is not what the document shows, with both. */
  async follow(step: Step): Promise<void> {
    if (step.do === "between") return await this.#between(step.what);
    if (step.do === "run") return await this.#runProgram(step.program);
    if (step.do === "query") return await this.#askServer(step.statements);
    if (step.command === "npm start") return await this.#startDaemon(step);
    if (step.command.startsWith("npm ")) return knownScript(step.command);
    if (STAYS_IN_THE_SHELL.test(step.command)) {
      this.#shell.push(step.command);
      return;
    }
    const deadline = performance.now() + (ONLY_SHOWS.test(step.command) ? PATIENCE_MS : 0);
    for (;;) {
      const problem = await this.#type(step);
      if (problem === undefined) return;
      if (performance.now() > deadline) throw new Error(problem);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopDaemon();
    await this.#server?.[Symbol.asyncDispose]();
    this.#token?.[Symbol.dispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #between(what: Extract<Step, { do: "between" }>["what"]): Promise<void> {
    if (what === "stop the daemon") await this.#stopDaemon();
    else this.#token = rehearse(this.#home);
  }

  async #type(step: Extract<Step, { do: "type" }>): Promise<string | undefined> {
    if (NEEDS_DAEMON.test(step.command)) await this.#host();
    const command = withKept(this.#translate(step.command, "known"), this.#kept);
    const { stdout, stderr, exit } = await this.#run(
      "sh",
      ["-c", [...this.#shell, command].join("\n")],
      this.#environment(),
    );
    const refused = step.shown.some((line) => REFUSED.test(line));
    const output = refused ? stdout + stderr : stdout;
    const problem = this.#compare(step, output);
    if (problem === undefined && (exit === 0) !== refused) return undefined;
    return problem ?? `$ ${step.command}\nended with status ${exit}\n${output}${stderr}`;
  }

  async #startDaemon(step: Extract<Step, { do: "type" }> | undefined): Promise<void> {
    await this.#stopDaemon();
    const env = { ...this.#environment(), CLAVIGER_LISTEN: "127.0.0.1:0" };
    const args = ["--disable-sigusr1", CLAVIGERD, "serve"];
    const child = spawn(NODE, args, { cwd: this.#home, env, stdio: ["ignore", "pipe", "pipe"] });
    let log = "";
    child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
    const said = await new Promise<string>((resolve, reject) => {
      let output = "";
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString();
        if (/ serves on \S+\n/.test(output)) resolve(output);
      });
      child.once("exit", (status) =>
        reject(new Error(`the daemon ended with status ${status}\n${output}${log}`)),
      );
    });
    const url = / serves on (\S+)/.exec(said)?.[1] ?? "";
    this.#daemon = { child, url, said };
    const problem = step && step.shown.length > 0 ? this.#compare(step, said) : undefined;
    if (problem !== undefined) throw new Error(problem);
  }

  async #stopDaemon(): Promise<void> {
    const child = this.#daemon?.child;
    this.#daemon = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
  }

  async #askServer(statements: readonly string[]): Promise<void> {
    this.#server ??= await startPostgres();
    for (const statement of statements) await this.#server.query("postgres", statement);
  }

  /** A program imports the SDK by its name; here it is where the clone has it. */
  async #runProgram(program: string): Promise<void> {
    const sdk = pathToFileURL(join(ROOT, "packages/sdk/src/index.ts")).href;
    const file = join(this.#home, "program.ts");
    writeFileSync(
      file,
      program.replace('"@claviger/sdk"', JSON.stringify(sdk)).replace(SHOWN_ADDRESS, await this.#host()),
    );
    const { stdout, stderr, exit } = await this.#run(NODE, [file], this.#environment());
    if (exit !== 0) throw new Error(`${program}\nended with status ${exit}\n${stdout}${stderr}`);
  }

  #compare(step: Extract<Step, { do: "type" }>, output: string): string | undefined {
    const shown = step.shown.map((line) => this.#translate(line, "new"));
    const found = match(shown, output, this.#kept);
    if (found === null)
      return `$ ${step.command}\n--- shown\n${step.shown.join("\n")}\n--- printed\n${output}`;
    for (const [name, value] of found) this.#kept.set(name, value);
    return undefined;
  }

  /**
   * The document's ids, patterns and times are examples: each stands for one value of this run, the same wherever it
   * stands. In a command only those that were seen in an output are replaced.
   */
  #translate(line: string, which: "known" | "new"): string {
    const host = this.#daemon ? new URL(this.#daemon.url).host : SHOWN_ADDRESS;
    const shown = line
      .replaceAll(SHOWN_ADDRESS, host)
      .replaceAll(SHOWN_SOCKET, this.#server?.socket ?? SHOWN_SOCKET);
    return shown.replaceAll(EXAMPLE, (example: string) => {
      if (example.startsWith("about ")) return "about {{number}} s";
      if (/^\d{4}-/.test(example)) return which === "new" ? "{{time}}" : example;
      const known = this.#names.get(example);
      if (known !== undefined)
        return this.#kept.has(known) ? `{{${known}}}` : (named(example, known) ?? example);
      if (which === "known") return example;
      const name = `v${this.#names.size}`;
      this.#names.set(example, name);
      return named(example, name) ?? example;
    });
  }

  async #host(): Promise<string> {
    if (!this.#daemon) await this.#startDaemon(undefined);
    return new URL(this.#daemon?.url ?? "").host;
  }

  #environment(): NodeJS.ProcessEnv {
    return {
      ...this.#token?.environment,
      ...Object.fromEntries(this.#shell.flatMap(exported)),
      ...(this.#daemon && { CLAVIGER_ADDR: this.#daemon.url }),
      PATH: `${this.#bin}${delimiter}${process.env["PATH"] ?? ""}`,
      CLAVIGER_DATA: join(this.#home, "claviger-data"),
      XDG_CONFIG_HOME: this.#home,
      NO_COLOR: "1",
    };
  }

  async #run(program: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    const child = spawn(program, args, { cwd: this.#home, env, stdio: ["ignore", "pipe", "pipe"] });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { stdout, stderr, exit: await ended };
  }
}

const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
const EXAMPLE = new RegExp(
  `(?<![\\w/+-])(?:${UUID}|[0-9a-f]{64}|[0-9a-f]{32}|[A-Za-z0-9+/]{42,}={0,2}|\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z|about [\\d,]+ s)(?![\\w/+-])`,
  "g",
);

/** The placeholder for an example, of its own kind. */
function named(example: string, name: string): string | undefined {
  if (new RegExp(`^${UUID}$`).test(example)) return `{{uuid:${name}}}`;
  if (/^[0-9a-f]{64}$/.test(example)) return `{{vp:${name}}}`;
  if (/^[0-9a-f]{32}$/.test(example)) return `{{vp16:${name}}}`;
  return `{{base64:${name}}}`;
}

/** `npm test`, `npm run demo -- …`: too long to run here, so at least there is such a script. */
function knownScript(command: string): void {
  const [, name = ""] = /^npm (?:run )?([\w:-]+)/.exec(command) ?? [];
  if (!Object.hasOwn(manifest.scripts, name))
    throw new Error(`package.json has no script for \`${command}\``);
}

function exported(line: string): readonly (readonly [string, string])[] {
  const [, name, value] = EXPORTED.exec(line) ?? [];
  return name === undefined || value === undefined ? [] : [[name, value]];
}
