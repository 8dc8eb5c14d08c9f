import { setTimeout as sleep } from "node:timers/promises";
import { ClavigerClient, ClavigerError } from "@claviger/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Service } from "../crash/service.ts";
import { administrator, startService } from "../crash/service.ts";
import type { Caller, Scene, Withdrawn } from "./scene.ts";
import { PROJECT, WITHDRAWN, makeScene } from "./scene.ts";

/*
 * The count of revocations is read before a reply leaves; but what was read may be long on its way, from a database
 * server over a network, or to a process that is stopped. Here the answer to that reading is held.
 */

let scene: Scene;
let service: Service;
/** Of the next reading. */
let held: { readonly read: PromiseWithResolvers<void>; readonly go: PromiseWithResolvers<void> } | undefined;

beforeAll(async () => {
  scene = await makeScene(2);
  service = await startService(scene.folder, {
    store: (store) => ({
      ...store,
      readRevocations: async (input) => {
        const count = await store.readRevocations(input);
        const mine = held;
        held = undefined;
        mine?.read.resolve();
        await mine?.go.promise;
        return count;
      },
    }),
  });
});

afterAll(async () => {
  await service.stop();
  scene[Symbol.dispose]();
});

/** The code that a use is refused with, while the answer that lets its reply leave is held until `act` is done. */
async function codeOfUse(caller: Caller, act: () => Promise<unknown>): Promise<string> {
  using client = new ClavigerClient({ address: service.url, token: caller.token, retries: 0 });
  const use = () => client.keys.encrypt({ project: PROJECT, key: caller.key, plaintext: new Uint8Array(1) });
  await use(); // so that the count is known lately, and the next reading is that before the reply
  const answer = { read: Promise.withResolvers<void>(), go: Promise.withResolvers<void>() };
  held = answer;
  const code = use().then(
    () => "served",
    (error: unknown) => (error instanceof ClavigerError ? error.code : String(error)),
  );
  await answer.read.promise;
  await act();
  answer.go.resolve();
  return await code;
}

test.for(Object.keys(WITHDRAWN) as Withdrawn[])(
  "%s by another process while the answer is on its way for half a second: it is asked again, and refused",
  async (what) => {
    const caller = scene.take(what);
    const code = await codeOfUse(caller, async () => {
      await scene.withdraw(caller);
      await sleep(600);
    });
    expect(code).toBe(WITHDRAWN[what]);
  },
);

test("a principal is disabled by this process while the answer is on its way: it is asked again, at once, and refused", async () => {
  const caller = scene.take("a principal is disabled");
  using admin = administrator(service, 0);
  // The caller's key has the caller's name.
  const code = await codeOfUse(caller, () => admin.principals.disable(caller.key));
  expect(code).toBe("principal-disabled");
});

test("the answer is late, and nothing was withdrawn: it is asked again, and served", async () => {
  expect(await codeOfUse(scene.take("a token is revoked"), () => sleep(600))).toBe("served");
});
