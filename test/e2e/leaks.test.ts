import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ClavigerClient, ClavigerError } from "@claviger/sdk";
import { expect, test } from "vitest";
import { SCRATCH } from "../model/scratch.ts";

const CLAVIGERD = fileURLToPath(new URL("../../packages/server/bin/clavigerd.js", import.meta.url));

/*
 * Key bytes that the test knows, because it imported them or was given them, are looked for wherever a daemon leaves
 * anything: database and write-ahead log, audit log and its export, backup, everything it said, every error it answered with,
 * and its JavaScript heap after use. A heap snapshot holds strings and objects, not the memory behind buffers, in which the
 * software unit has the keys that it uses.
 */
test("key bytes are nowhere that a daemon leaves anything, as bytes or as text", async () => {
  const parent = mkdtempSync(join(SCRATCH, "claviger-leaks-"));
  const [data, snapshots, kept] = ["data", "heap", "kept"].map((name) => join(parent, name)) as [
    string,
    string,
    string,
  ];
  for (const folder of [snapshots, kept]) mkdirSync(folder);
  const daemon = new WatchedDaemon(data, snapshots);
  try {
    using client = new ClavigerClient(await daemon.started());
    const secrets = await useKeys(client, (error) => daemon.said.push(error));

    const backup = await client.backups.create();
    await client.backups.wait(backup.name);
    writeFileSync(join(kept, "audit.jsonl"), (await Array.fromAsync(client.audit.export())).join(""));
    writeFileSync(join(kept, "heap"), await daemon.heapSnapshot());
    expect(places(data, secrets), "while it runs").toEqual([]);
    await daemon.stop();
    writeFileSync(join(kept, "said"), daemon.said.join("\n"));
    expect(places(data, secrets), "when it has stopped").toEqual([]);
    expect(places(kept, secrets)).toEqual([]);

    // What is looked for would be found: ciphertexts are in the same heap, their requests in the same log.
    expect(statSync(join(kept, "heap")).size).toBeGreaterThan(1_000_000);
    expect(readFileSync(join(kept, "said"), "utf8")).toContain("encrypt");
    const control = { control: Buffer.from(CONTROL) };
    expect(places(kept, control)).toContain("control in heap");
    expect(places(data, { control: Buffer.from("orders") }).length).toBeGreaterThan(0);
  } finally {
    await daemon.stop();
    rmSync(parent, { recursive: true, force: true });
  }
}, 120_000);

/** A name that stays in the heap: that of a project, which the daemon keeps. */
const CONTROL = "the-name-of-a-project";

type Secrets = Readonly<Record<string, Uint8Array>>;

/** Uses keys in every way that has their bytes in clear somewhere, and is refused in some. */
async function useKeys(client: ClavigerClient, refused: (error: string) => void): Promise<Secrets> {
  const material = randomBytes(32);
  const plaintext = randomBytes(32);
  const context = { purpose: "leaks" };
  await client.projects.create({ name: CONTROL });
  const place = { project: CONTROL };
  await client.keys.create({ ...place, name: "orders", origin: "imported" });
  await client.keys.importMaterial({ ...place, key: "orders", material });
  const sealed = await client.keys.encrypt({ ...place, key: "orders", plaintext, context });
  const dataKey = await client.keys.generateDataKey({ ...place, key: "orders", context });
  for (const { ciphertext } of [sealed, dataKey])
    await client.keys.decrypt({ ...place, ciphertext, context });
  const hostile = [
    () => client.keys.decrypt({ ...place, ciphertext: sealed.ciphertext, context: { purpose: "another" } }),
    () => client.keys.decrypt({ ...place, ciphertext: sealed.ciphertext.slice(0, -1), context }),
    () => client.keys.importMaterial({ ...place, key: "orders", material: plaintext.subarray(1) }),
    () => client.keys.encrypt({ ...place, key: "none", plaintext, context }),
  ];
  for (const call of hostile) {
    const error = await call().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof ClavigerError)) throw new Error("what is wrong was not refused");
    refused(JSON.stringify(error) + String(error.stack));
  }
  // Buffers of the connection that held replies are used for others.
  for (let i = 0; i < 50; i += 1) await client.status();
  return { material, plaintext, dataKey: dataKey.plaintext };
}

/** Where any of the secrets is found, in any file below a folder, in any form. */
function places(folder: string, secrets: Secrets): string[] {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return names.flatMap(({ parentPath, name }) => {
    const content = readFileSync(join(parentPath, name));
    return Object.entries(secrets)
      .filter(([, secret]) => formsOf(secret).some((form) => content.includes(form)))
      .map(([what]) => `${what} in ${name}`);
  });
}

/** The bytes, and each text that they become, wherever in a longer run of bytes they begin. */
function formsOf(secret: Uint8Array): (Buffer | string)[] {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString("hex");
  const base64 = [0, 1, 2].flatMap((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString("base64");
    // Without the characters that the neighbours have a share in.
    const inner = text.slice(shift === 0 ? 0 : 4, Math.floor((shift + bytes.length) / 3) * 4);
    return [inner, inner.replaceAll("+", "-").replaceAll("/", "_")];
  });
  return [bytes, hex, hex.toUpperCase(), ...base64];
}

class WatchedDaemon {
  /** Everything on stdout and stderr, at the most talkative level. */
  readonly said: string[] = [];
  readonly #data: string;
  readonly #snapshots: string;
  readonly #child: ChildProcess;

  constructor(data: string, snapshots: string) {
    this.#data = data;
    this.#snapshots = snapshots;
    const flags = ["--disable-sigusr1", "--heapsnapshot-signal=SIGUSR2", `--diagnostic-dir=${snapshots}`];
    const env = {
      PATH: process.env["PATH"],
      CLAVIGER_DATA: data,
      CLAVIGER_LISTEN: "127.0.0.1:0",
      CLAVIGER_LOG_LEVEL: "trace",
    };
    this.#child = spawn(process.execPath, [...flags, CLAVIGERD, "serve"], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on("data", (chunk: Buffer) => this.said.push(chunk.toString()));
  }

  async started(): Promise<{ readonly address: string; readonly token: string }> {
    for (;;) {
      const address = /serves on (\S+)/.exec(this.said.join(""))?.[1];
      if (address !== undefined)
        return { address, token: readFileSync(join(this.#data, "admin.token"), "utf8").trim() };
      if (this.#child.exitCode !== null) throw new Error(this.said.join(""));
      await sleep(50);
    }
  }

  async heapSnapshot(): Promise<Buffer> {
    this.#child.kill("SIGUSR2");
    for (;;) {
      await sleep(200);
      const [name] = readdirSync(this.#snapshots);
      const content = name === undefined ? "" : readFileSync(join(this.#snapshots, name), "latin1");
      if (/\]\s*\}\s*$/.test(content.slice(-20))) return Buffer.from(content, "latin1");
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "close");
    this.#child.kill("SIGTERM");
    await ended;
  }
}
