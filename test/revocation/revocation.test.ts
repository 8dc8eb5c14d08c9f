import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { administrator } from "../crash/service.ts";
import type { DaemonProcess, Reply } from "./daemon-process.ts";
import { startDaemonProcess } from "./daemon-process.ts";
import type { Scene, Use, Withdrawn } from "./scene.ts";
import { PROJECT, USES, WITHDRAWN, makeScene } from "./scene.ts";

/*
 * The real daemon, and what is withdrawn behind its back: in its database, by another process, with the store's own
 * code, while its caches are warm and it is stopped or not. So nothing but the count of revocations can tell it.
 */

const CASES = (Object.keys(WITHDRAWN) as Withdrawn[]).flatMap((what) =>
  (Object.keys(USES) as Use[]).map((use) => ({ what, use })),
);

let scene: Scene;
let daemon: DaemonProcess;

beforeAll(async () => {
  // One for each use, with the process stopped and not, one that is answered, and two at work.
  scene = await makeScene(2 * Object.keys(USES).length + 3);
  daemon = await startDaemonProcess(scene.folder);
});

afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  scene[Symbol.dispose]();
});

/** Records of a request, in their order: outcome and time. */
async function recordsOf({ request }: Reply, operation: string) {
  using admin = administrator({ url: daemon.address, folder: scene.folder }, 0);
  const all = await Array.fromAsync(admin.audit.all({ operation }));
  return all.filter((record) => record.request === request).toSorted((a, b) => a.seq - b.seq);
}

describe("what is withdrawn between the check of a request and its reply", () => {
  describe.for(["is stopped", "runs on"] as const)("while the process %s", (how) => {
    test.for(CASES)("$what: a reply of $use does not leave", async ({ what, use }) => {
      const caller = scene.take(what);
      expect((await daemon.use(caller, use)).code).toBe("served"); // its caches are warm
      const held = daemon.holdAuditLog();
      const waiting = daemon.use(caller, use);
      await daemon.goneRound(); // it has been let in and done, and its reply waits for its record
      if (how === "is stopped") await daemon.stop();
      const admittedByMs = Date.now();
      await scene.withdraw(caller);
      held[Symbol.dispose]();
      daemon.goOn();
      const reply = await waiting;
      expect(reply.code).toBe(WITHDRAWN[what]);
      expect(reply.text).not.toContain(USES[use]);
      // That it had been let in before, and was refused afterwards, is in the log.
      const records = await recordsOf(reply, use);
      expect(records.map(({ outcome }) => outcome)).toEqual(["allowed", WITHDRAWN[what]]);
      expect(Date.parse(records[0]?.at ?? "")).toBeLessThanOrEqual(admittedByMs);
    });
  });

  test("a process that was stopped in the same place is answered, if nothing was withdrawn from its caller", async () => {
    const [caller, other] = [scene.take("a key is disabled"), scene.take("a token is revoked")];
    const held = daemon.holdAuditLog();
    const waiting = daemon.use(caller, "generateDataKey");
    await daemon.goneRound();
    await daemon.stop();
    await scene.withdraw(other);
    await sleep(1_500);
    held[Symbol.dispose]();
    daemon.goOn();
    expect((await waiting).code).toBe("served");
  });
});

/** What is promised: from the commit on, so long at most until whatever comes is refused. */
const WITHIN_MS = 1_000;

interface Sent {
  readonly atMs: number;
  readonly repliedMs: number;
  readonly code: string;
}

/** Makes each request again and again, one behind the other, until it is stopped. */
function load(requests: readonly (() => Promise<Reply>)[]) {
  const sent: Sent[] = [];
  let over = false;
  const lanes = requests.map(async (request) => {
    while (!over) {
      const atMs = Date.now();
      const { code } = await request();
      sent.push({ atMs, repliedMs: Date.now(), code });
      await sleep(5);
    }
  });
  return {
    sent,
    stop: async () => {
      over = true;
      await Promise.all(lanes);
    },
  };
}

const codesOf = (sent: readonly Sent[]): readonly string[] => [...new Set(sent.map(({ code }) => code))];

describe("what is withdrawn from a caller at work", () => {
  test.for(Object.keys(WITHDRAWN) as Withdrawn[])(
    "%s: no use that is asked for after the commit is done",
    async (what) => {
      const caller = scene.take(what);
      const { sent, stop } = load((Object.keys(USES) as Use[]).map((use) => () => daemon.use(caller, use)));
      await sleep(300);
      const beganMs = Date.now();
      const committedMs = await scene.withdraw(caller);
      await sleep(300);
      await stop();
      const [before, after] = [
        sent.filter(({ repliedMs }) => repliedMs < beganMs),
        sent.filter(({ atMs }) => atMs > committedMs),
      ];
      expect(codesOf(before)).toEqual(["served"]);
      expect(codesOf(after)).toEqual([WITHDRAWN[what]]);
    },
  );

  test.for(["a token is revoked", "a principal is disabled", "a role is withdrawn"] as const)(
    "%s: what bears no key is refused within a second too, though nobody uses a key meanwhile",
    async (what) => {
      const caller = scene.take(what);
      const keys = `/v1/projects/${PROJECT}/keys`;
      const paths = [keys, `${keys}/${caller.key}`, `${keys}/${caller.key}-signs/public-key`];
      const { sent, stop } = load(paths.map((path) => () => daemon.ask(caller, "GET", path)));
      await sleep(300);
      const beganMs = Date.now();
      const committedMs = await scene.withdraw(caller);
      await sleep(WITHIN_MS + 300);
      await stop();
      const [before, after] = [
        sent.filter(({ repliedMs }) => repliedMs < beganMs),
        sent.filter(({ atMs }) => atMs > committedMs + WITHIN_MS),
      ];
      expect(codesOf(before)).toEqual(["served"]);
      expect(codesOf(after)).toEqual([WITHDRAWN[what]]);
    },
  );
});
