import { join } from "node:path";
import { composeDaemon } from "../../packages/server/src/compose.ts";
import { createLog } from "../../packages/server/src/ops/log.ts";
import { CHEAP_KDF } from "../contracts/software-units.ts";
import { interpose } from "./calls.ts";
import { clockOf } from "./clock-ahead.ts";

/*
 * The daemon, which kills itself: `crash-daemon.ts <data folder> <call> <before|after> <n> [longest sleep in ms]`. It is the composed daemon of
 * the product, and when the n-th call of that name comes (or has been answered) the process gets SIGKILL, which no code
 * of it can see. It prints its address when it listens. Without a call it stops by itself as soon as it serves.
 */
const [dataFolder = "", call = "", moment = "", nth = "", longestSleepMs] = process.argv.slice(2);

let seen = 0;
const { store, unit } = interpose(async (name, run) => {
  if (name !== call || ++seen !== Number(nth)) return run();
  if (moment === "before") die();
  const result = await run();
  die();
  return result;
});

function die(): void {
  process.kill(process.pid, "SIGKILL");
  // The signal is on its way; nothing of this thread may run before it arrives.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10_000);
}

const daemon = await composeDaemon(
  {
    dataFolder,
    listen: { host: "127.0.0.1", port: 0 },
    backupFolder: join(dataFolder, "backups"),
    logLevel: "silent",
    expectedVps: {},
    pkcs11: {
      modules: [],
      pinFolder: join(dataFolder, "pins"),
      units: new Map(),
      clonable: [],
      environment: {},
      libraryParameters: new Map(),
    },
  },
  createLog("silent"),
  {
    store,
    unit,
    kdf: CHEAP_KDF,
    clock: clockOf(dataFolder, longestSleepMs === undefined ? undefined : Number(longestSleepMs)),
  },
);
if (call === "") await daemon.stop();
else process.stdout.write(`${daemon.url}\n`);
