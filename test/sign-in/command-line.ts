import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const CLAVIGER = fileURLToPath(new URL("../../packages/cli/bin/claviger.js", import.meta.url));

/** The real command line as somebody has it who has no token yet: a home of its own, and an address. */
export class CommandLine implements Disposable {
  readonly home = mkdtempSync(join(tmpdir(), "claviger-home-"));
  readonly #address: string;

  constructor(address: string) {
    this.#address = address;
  }

  get keptTokens(): string {
    return join(this.home, "config", "claviger", "token");
  }

  async run(...words: readonly string[]): Promise<Ran> {
    return await this.start(words).ended;
  }

  /** Starts `claviger sign-in`; `url` is the address that it shows. */
  signIn(...words: readonly string[]): Started & { readonly url: Promise<string> } {
    const started = this.start(["sign-in", "--no-browser", ...words]);
    const url = Promise.withResolvers<string>();
    let shown = "";
    started.stderr.on("data", (chunk: Buffer) => {
      shown += chunk.toString();
      const found = /^ {2}(https?:\S+)\n/m.exec(shown)?.[1];
      if (found !== undefined) url.resolve(found);
    });
    void started.ended.then(({ stderr }) => url.reject(new Error(`it ended: ${stderr}`)));
    url.promise.catch(() => undefined);
    return { ...started, url: url.promise };
  }

  start(words: readonly string[]): Started {
    const env = { ...process.env, HOME: this.home, XDG_CONFIG_HOME: join(this.home, "config") };
    const child = spawn(process.execPath, [CLAVIGER, ...words], {
      cwd: this.home,
      env: { ...env, CLAVIGER_ADDR: this.#address, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]).then(
      ([stdout, stderr]): Ran => ({ status: child.exitCode, stdout, stderr }),
    );
    return { stderr: child.stderr, ended };
  }

  [Symbol.dispose](): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Started {
  readonly stderr: NodeJS.ReadableStream;
  readonly ended: Promise<Ran>;
}
