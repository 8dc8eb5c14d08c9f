import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Caller, Use } from "./scene.ts";
import { PROJECT } from "./scene.ts";

const CLAVIGERD = fileURLToPath(new URL("../../packages/server/bin/clavigerd.js", import.meta.url));

/** What came of a request: status, code of the refusal or "served", and the whole body as it came. */
export interface Reply {
  readonly request: string;
  readonly status: number;
  readonly code: string;
  readonly text: string;
}

/** The daemon in a process of its own, as users start it, and what can be done to it from outside. */
export interface DaemonProcess extends AsyncDisposable {
  readonly address: string;
  ask(caller: Pick<Caller, "token">, method: "GET" | "POST", path: string, body?: object): Promise<Reply>;
  use(caller: Caller, use: Use): Promise<Reply>;
  /** Takes the write lock of the audit log's file: no record becomes durable, and no reply leaves, until it is let go. */
  holdAuditLog(): Disposable;
  /** Resolves when the process has gone round its event loop often enough to have done whatever came before. */
  goneRound(): Promise<void>;
  /** Stops the process; resolves when it has stopped. */
  stop(): Promise<void>;
  goOn(): void;
}

export async function startDaemonProcess(folder: string): Promise<DaemonProcess> {
  const child = spawn(process.execPath, ["--disable-sigusr1", CLAVIGERD, "serve"], {
    env: {
      PATH: process.env["PATH"],
      CLAVIGER_DATA: folder,
      CLAVIGER_LISTEN: "127.0.0.1:0",
      CLAVIGER_LOG_LEVEL: "error",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = once(child, "close");
  let address: string | undefined;
  while ((address = /serves on (\S+)/.exec(said)?.[1]) === undefined) {
    if (child.exitCode !== null) throw new Error(`the daemon does not start: ${said}`);
    await Promise.race([once(child.stdout, "data"), ended]);
  }
  const url = address;

  const ask: DaemonProcess["ask"] = async ({ token }, method, path, body) => {
    const reply = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body && { "content-type": "application/json" }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await reply.text();
    const { error } = JSON.parse(text) as { readonly error?: { readonly code: string } };
    const request = reply.headers.get("x-request-id") ?? "";
    return { request, status: reply.status, code: error?.code ?? "served", text };
  };
  const keys = `/v1/projects/${PROJECT}/keys`;
  const base64 = Buffer.from("4711").toString("base64");
  return {
    address: url,
    ask,
    use: (caller, use) => {
      switch (use) {
        case "encrypt":
          return ask(caller, "POST", `${keys}/${caller.key}/encrypt`, { plaintext: base64 });
        case "decrypt":
          return ask(caller, "POST", `/v1/projects/${PROJECT}/decrypt`, { ciphertext: caller.ciphertext });
        case "generateDataKey":
          return ask(caller, "POST", `${keys}/${caller.key}/data-key`, {});
        case "sign":
          return ask(caller, "POST", `${keys}/${caller.key}-signs/sign`, { message: base64 });
      }
    },
    holdAuditLog: () => {
      const log = new DatabaseSync(join(folder, "audit", "audit.db"), { timeout: 5_000 });
      log.exec("BEGIN IMMEDIATE");
      return { [Symbol.dispose]: () => log.close() };
    },
    goneRound: async () => {
      for (let times = 1; times <= 10; times += 1) {
        const alive = await fetch(`${url}/livez`);
        await alive.arrayBuffer();
        await sleep(5);
      }
    },
    stop: async () => {
      child.kill("SIGSTOP");
      while (!/\) T /.test(readFileSync(`/proc/${child.pid}/stat`, "latin1"))) await sleep(1);
    },
    goOn: () => void child.kill("SIGCONT"),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGCONT");
      child.kill("SIGTERM");
      await ended;
    },
  };
}
