import { changeId, claimAs, rewrapped, rowsOf, SCOPE, unit } from "../contracts/store/samples.ts";
import { A, B } from "../model/arbitrary-facts.ts";
import type { Scene } from "./scene.ts";
import {
  administrator,
  amend,
  amendPurge,
  bind,
  createKey,
  createProject,
  disable,
  disableKey,
  goBack,
  key,
  openChange,
  quarantine,
  removeUnit,
  rotateKey,
  toDone,
  tokenOf,
  toReady,
  version,
} from "./scene.ts";
import type { Call } from "./stepped-transaction.ts";

/** Two calls that could disturb each other, and the scene in which they do. */
export interface Pair {
  readonly title: string;
  readonly scene: (scene: Scene) => Promise<readonly [Call, Call]>;
}

export const PAIRS: readonly Pair[] = [
  {
    title: "a creation and the start of re-enciphering",
    scene: async (scene) => {
      await scene.open();
      await scene.go("staged");
      return [createProject(9), await scene.transitionOf({ name: "reencipher" })];
    },
  },
  {
    title: "a creation for a change and its cancel",
    scene: async (scene) => {
      await scene.open();
      await scene.go("staged", "reencipher");
      return [createProject(9, [A, B]), await scene.transitionOf({ name: "cancel" })];
    },
  },
  {
    title: "a creation and the recount that ends in READY",
    scene: async (scene) => {
      await toReady(scene);
      return [createProject(9, [A, B]), await scene.transitionOf({ name: "ready" })];
    },
  },
  {
    title: "two creations of one name",
    scene: async () => [createProject(8, [A], "one"), createProject(9, [A], "one")],
  },
  {
    title: "a new key and the start of a change that freezes",
    scene: async (scene) => {
      await scene.rows(1);
      await scene.open({ freeze: "mutations" });
      await scene.go("staged");
      return [createKey(), await scene.transitionOf({ name: "reencipher" })];
    },
  },
  {
    title: "a rotation and the start of a change that freezes",
    scene: async (scene) => {
      await scene.rows(1);
      await scene.store.createKey({ key: key(1), version: version(1) });
      await scene.open({ freeze: "mutations" });
      await scene.go("staged");
      return [rotateKey(), await scene.transitionOf({ name: "reencipher" })];
    },
  },
  {
    title: "two keys of one name",
    scene: async (scene) => {
      await scene.rows(1);
      return [createKey(1), createKey(2)];
    },
  },
  {
    title: "a rotation and a change of state of one key",
    scene: async (scene) => {
      await scene.rows(1);
      await scene.store.createKey({ key: key(1), version: version(1) });
      return [rotateKey(), disableKey()];
    },
  },
  {
    title: "each of two administrators disabled",
    scene: async ({ store }) => {
      for (const i of [1, 2]) await store.createPrincipal({ principal: administrator(i), token: tokenOf(i) });
      return [disable(1), disable(2)];
    },
  },
  {
    title: "one identity linked to two persons",
    scene: async ({ store }) => {
      for (const i of [1, 2]) await store.createPrincipal({ principal: administrator(i), token: tokenOf(i) });
      const identity = { issuer: "https://id.example.org", subject: "anna" };
      return [bind(1, { identity }), bind(2, { identity })];
    },
  },
  {
    title: "one certificate bound to two principals",
    scene: async ({ store }) => {
      for (const i of [1, 2]) await store.createPrincipal({ principal: administrator(i), token: tokenOf(i) });
      const certificate = "ab".repeat(32);
      return [bind(1, { certificate }), bind(2, { certificate })];
    },
  },
  {
    title: "two revocations",
    scene: async ({ store }) => {
      for (const i of [1, 2]) await store.createPrincipal({ principal: administrator(i), token: tokenOf(i) });
      const revoked = (i: number): Call => ({
        name: "revokeToken",
        input: { token: { ...tokenOf(i), revokedAtMs: 5 } },
      });
      return [revoked(1), revoked(2)];
    },
  },
  {
    title: "each of two units taken out",
    scene: async (scene) => {
      for (const i of [1, 2]) await scene.store.addUnit({ unit: unit(i) });
      return [quarantine(1), quarantine(2)];
    },
  },
  {
    title: "one of two units removed, the other taken out",
    scene: async (scene) => {
      for (const i of [1, 2]) await scene.store.addUnit({ unit: unit(i) });
      return [removeUnit(1), quarantine(2)];
    },
  },
  { title: "two changes opened", scene: async () => [openChange(1), openChange(2)] },
  {
    title: "two transitions",
    scene: async (scene) => {
      await scene.open();
      await scene.go("staged");
      return [await scene.transitionOf({ name: "reencipher" }), await scene.transitionOf({ name: "cancel" })];
    },
  },
  {
    title: "a pause and a transition",
    scene: async (scene) => {
      await scene.open();
      await scene.go("staged", "reencipher");
      return [amend({ paused: true }, "REENCIPHERING"), await scene.transitionOf({ name: "cancel" })];
    },
  },
  {
    title: "two amendments of different members",
    scene: async (scene) => {
      await scene.open();
      return [amend({ paused: true }, "PLANNED"), amend({ blockedReason: "why" }, "PLANNED")];
    },
  },
  {
    title: "the approval of a purge and a change that goes back",
    scene: async (scene) => {
      await toDone(scene);
      return [amendPurge("bob"), goBack()];
    },
  },
  {
    title: "the purge of rows and a change that goes back",
    scene: async (scene) => {
      await toDone(scene);
      await scene.approvePurge();
      return [{ name: "dropOldForms", input: { ...(await scene.order()), limit: 2 } }, goBack()];
    },
  },
  {
    title: "the purge of rows and the withdrawal of its approval",
    scene: async (scene) => {
      await toDone(scene);
      await scene.approvePurge();
      return [{ name: "dropOldForms", input: { ...(await scene.order()), limit: 2 } }, amendPurge(undefined)];
    },
  },
  {
    title: "a batch and the cancel of its change",
    scene: async (scene) => {
      await scene.rows(4);
      await scene.open();
      await scene.go("staged", "reencipher");
      const work = await scene.order();
      const rows = rowsOf(await scene.store.claimRows({ ...work, ...claimAs("w") }));
      const batch = { ...work, outcomes: rewrapped(rows), nowMs: 1, next: claimAs("w") };
      return [{ name: "commitRows", input: batch }, await scene.transitionOf({ name: "cancel" })];
    },
  },
  {
    title: "the claims of two workers",
    scene: async (scene) => {
      await scene.rows(4);
      await scene.open();
      await scene.go("staged", "reencipher");
      const work = await scene.order();
      return [
        { name: "claimRows", input: { ...work, ...claimAs("v") } },
        { name: "claimRows", input: { ...work, ...claimAs("w") } },
      ];
    },
  },
  {
    title: "the same rows written by two workers, which go on",
    scene: async (scene) => {
      await scene.rows(6);
      await scene.open();
      await scene.go("staged", "reencipher");
      const work = await scene.order();
      const rows = rowsOf(await scene.store.claimRows({ ...work, ...claimAs("v", { limit: 3 }) }));
      const batch = (owner: string) => ({
        ...work,
        outcomes: rewrapped(rows),
        nowMs: 1,
        next: claimAs(owner),
      });
      return [
        { name: "commitRows", input: batch("v") },
        { name: "commitRows", input: batch("w") },
      ];
    },
  },
  ...(["finalizeRows", "dropNextForms", "dropOldForms"] as const).map((name): Pair => ({
    title: `${name} by two workers`,
    scene: async (scene) => {
      if (name === "dropOldForms") {
        await toDone(scene);
        await scene.approvePurge();
      } else {
        await toReady(scene);
        await (name === "finalizeRows"
          ? scene.go("ready", "activate", "activated", "finalize")
          : scene.go("cancel"));
      }
      const input = { ...(await scene.order()), limit: 3 };
      return [
        { name, input },
        { name, input },
      ];
    },
  })),
  {
    title: "the last rows finalized, and the recount that ends in DONE",
    scene: async (scene) => {
      await toReady(scene);
      await scene.go("ready", "activate", "activated", "finalize");
      const input = { ...(await scene.order()), limit: 99 };
      return [{ name: "finalizeRows", input }, await scene.transitionOf({ name: "finalized" })];
    },
  },
  {
    title: "a creation and a sweep",
    scene: async (scene) => {
      await scene.rows(2);
      const sweep = { ...SCOPE, vp: A, after: 0, only: undefined, limit: 9 };
      return [createProject(9), { name: "readSweepRows", input: sweep }];
    },
  },
  {
    title: "a creation and a census",
    scene: async (scene) => {
      await scene.rows(2);
      return [createProject(9), { name: "census", input: SCOPE }];
    },
  },
  {
    title: "a batch and the counts of a change",
    scene: async (scene) => {
      await scene.rows(3);
      await scene.open();
      await scene.go("staged", "reencipher");
      const work = await scene.order();
      const rows = rowsOf(await scene.store.claimRows({ ...work, ...claimAs("w") }));
      const batch = { ...work, outcomes: rewrapped(rows), nowMs: 1, next: undefined };
      const counts = { ...SCOPE, changeId: changeId(1), from: A, to: B };
      return [
        { name: "commitRows", input: batch },
        { name: "countProgress", input: counts },
      ];
    },
  },
];
