import { spawn } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { Refusal, TokenTrouble, UnknownHandle } from "../outcomes.ts";
import { serveRequests } from "../serve-requests.ts";
import type { Act, Deed } from "./acts.ts";
import { OP } from "./acts.ts";

/** A unit host that does what it is told, the worst included, so that tests can see what becomes of it. */

const told: string[] = [];
let kept: Uint8Array = new Uint8Array(0);
const lent = Uint8Array.of(1, 2, 3);

serveRequests({
  start(payload) {
    act(payload);
  },
  handle(op, payload) {
    switch (op) {
      case OP.echo:
        return payload;
      case OP.act:
        return act(payload);
      case OP.tell:
        told.push(Buffer.from(payload).toString());
        if (told.at(-1) === `hang ${process.pid}`) sleep(60_000);
        if (told.at(-1) === `refuse ${process.pid}`) throw new Refusal("internal", "will not listen");
        return new Uint8Array(0);
      case OP.told:
        return Buffer.from(JSON.stringify({ pid: process.pid, told }));
      case OP.about:
        return Buffer.from(JSON.stringify(about()));
      case OP.keep:
        kept = payload;
        return new Uint8Array(0);
      case OP.kept:
        return Uint8Array.from(kept);
      case OP.lend:
        return lent;
      case OP.long:
        return new Uint8Array(16 * 1024 * 1024);
      default:
        throw new Error(`no operation ${op}`);
    }
  },
});

function about(): unknown {
  const limits = readFileSync("/proc/self/limits", "utf8");
  return { environment: process.env, flags: process.execArgv, limits };
}

function act(payload: Uint8Array): Uint8Array {
  const { log, deed, times = Infinity } = JSON.parse(Buffer.from(payload).toString()) as Act;
  let time = 1;
  if (log !== undefined) {
    appendFileSync(log, `${process.pid}\n`);
    time = readFileSync(log, "utf8").split("\n").length - 1;
  }
  if (time <= times) perform(deed);
  return Buffer.from(String(process.pid));
}

function perform(deed: Deed): void {
  switch (deed.kind) {
    case "answer":
      return;
    case "sleep":
      return sleep(deed.ms);
    case "hang":
      return sleep(60_000);
    case "spin":
      for (const endMs = Date.now() + 60_000; Date.now() < endMs;);
      return;
    case "crash":
      process.kill(process.pid, "SIGSEGV");
      return sleep(60_000);
    case "abandon":
      spawn("sleep", ["5"], { stdio: ["ignore", "ignore", "ignore", 3] });
      return perform({ kind: "crash" });
    case "forget":
      throw new UnknownHandle();
    case "break":
      throw new TypeError("the program is wrong");
    case "refuse":
      throw new Refusal(deed.code, "it is refused");
    case "trouble":
      throw new TokenTrouble("CKR_DEVICE_ERROR", deed.retry);
  }
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
