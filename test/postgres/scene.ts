import assert from "node:assert/strict";
import type { PrincipalRecord, TokenRecord } from "../../packages/server/src/core/access/principal.ts";
import type { KeyId, PrincipalId, ProjectId, TokenId } from "../../packages/server/src/core/ids.ts";
import type { Approval, Change } from "../../packages/server/src/core/master-key-change/change.ts";
import type { ChangeEvent } from "../../packages/server/src/core/master-key-change/transitions.ts";
import { advance } from "../../packages/server/src/core/master-key-change/transitions.ts";
import type { Store } from "../../packages/server/src/core/ports/store.ts";
import { present } from "../contracts/crypto-unit-contract.ts";
import { changeId, claimAs, kek, rewrapped, rowsOf, SCOPE, uuidOf } from "../contracts/store/samples.ts";
import { A, addressOf, B, changeIn } from "../model/arbitrary-facts.ts";
import type { Call } from "./stepped-transaction.ts";

/** Steps that lead to where a pair begins, and the calls of which it is made. */
export class Scene {
  readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  async rows(count: number): Promise<void> {
    for (let i = 1; i <= count; i += 1) assert.equal(await this.store.createProject(project(i)), "created");
  }

  async open(over: Partial<Change> = {}): Promise<void> {
    const change = changeIn("PLANNED", { id: changeId(1), ...over });
    assert.equal(await this.store.openChange({ change, note: "" }), "opened");
  }

  async transitionOf(event: ChangeEvent): Promise<Call> {
    const change = present(await this.store.readChange({ id: changeId(1) }));
    const fence = present(await this.store.readFence(SCOPE));
    const step = advance(change, fence, event);
    const entry = { atMs: 9, state: step.state, by: "alice", note: event.name };
    return {
      name: "transition",
      input: { change, generation: fence.generation, advance: step, amendment: {}, entry },
    };
  }

  async go(...events: ChangeEvent["name"][]): Promise<void> {
    for (const name of events) {
      const { input } = await this.transitionOf(name === "staged" ? { name, to: B } : { name });
      assert.equal(await this.store.transition(input as never), "done", name);
    }
  }

  async order() {
    return { changeId: changeId(1), generation: present(await this.store.readFence(SCOPE)).generation };
  }

  async reencipher(): Promise<void> {
    const work = await this.order();
    const rows = rowsOf(await this.store.claimRows({ ...work, ...claimAs("all", { limit: 99 }) }));
    await this.store.commitRows({ ...work, outcomes: rewrapped(rows), nowMs: 1, next: undefined });
    await this.store.dropLeases({});
  }

  async approvePurge(): Promise<void> {
    const { input } = amendPurge("bob");
    assert.equal(await this.store.amendChange(input as never), "done");
  }
}

export const project = (i: number, vps = [A], name = `project ${i}`) => {
  const made = kek(i, vps);
  return { project: { id: made.projectId, name, kekId: made.id, createdAtMs: i }, kek: made };
};
export const createProject = (i: number, vps = [A], name?: string): Call => ({
  name: "createProject",
  input: project(i, vps, name),
});
export const key = (revision: number, i = 1) => ({
  id: uuidOf(4, i) as KeyId,
  projectId: uuidOf(2, 1) as ProjectId,
  name: "key",
  spec: "AES_256" as const,
  usage: "ENCRYPT_DECRYPT" as const,
  origin: "generated" as const,
  deletionDueMs: undefined,
  destroyedAtMs: undefined,
  state: "enabled" as const,
  currentVersion: revision,
  createdAtMs: 1,
  revision,
  mac: Uint8Array.of(revision),
});
export const version = (number: number, i = 1) => ({
  keyId: uuidOf(4, i) as KeyId,
  projectId: uuidOf(2, 1) as ProjectId,
  version: number,
  kekId: kek(1, []).id,
  wrapped: Uint8Array.of(number),
  publicKey: undefined,
  createdAtMs: 1,
  mac: Uint8Array.of(2),
});
export const createKey = (i = 1): Call => ({
  name: "createKey",
  input: { key: key(1, i), version: version(1, i) },
});
export const rotateKey = (): Call => ({ name: "updateKey", input: { key: key(2), version: version(2) } });
export const disableKey = (): Call => ({
  name: "updateKey",
  input: { key: { ...key(2), state: "disabled", currentVersion: 1 }, version: undefined },
});
export const quarantine = (i: number): Call => ({
  name: "setUnitState",
  input: { address: addressOf(i), from: ["serving"], state: "quarantined", reason: "", by: "bob" },
});
export const removeUnit = (i: number): Call => ({ name: "removeUnit", input: { address: addressOf(i) } });
export const amend = (amendment: object, state: Change["state"]): Call => ({
  name: "amendChange",
  input: { id: changeId(1), state, amendment, entry: { atMs: 3, state, by: "bob", note: "amended" } },
});
export const amendPurge = (approvedBy: string | undefined): Call => {
  const approval: Approval = { action: "purge", requestedBy: "a", requestedAtMs: 1, approvedBy, mac: "" };
  return amend({ approval }, "DONE");
};
export const openChange = (i: number, over: Partial<Change> = {}): Call => ({
  name: "openChange",
  input: { change: changeIn("PLANNED", { id: changeId(i), ...over }), note: "" },
});
export const goBack = () => openChange(2, { from: B, restores: changeId(1) });

export const toReady = async (scene: Scene, rows = 4): Promise<void> => {
  await scene.rows(rows);
  await scene.open();
  await scene.go("staged", "reencipher");
  await scene.reencipher();
};
export const toDone = async (scene: Scene): Promise<void> => {
  await toReady(scene);
  await scene.go("ready", "activate", "activated", "finalize");
  await scene.store.finalizeRows({ ...(await scene.order()), limit: 99 });
  await scene.go("finalized");
};

/** An administrator of the whole service. */
export const administrator = (i: number, over: Partial<PrincipalRecord> = {}): PrincipalRecord => ({
  id: uuidOf(5, i) as PrincipalId,
  name: `name-${i}`,
  kind: "service",
  state: "enabled",
  grants: [{ role: "administrator", projectId: undefined }],
  requestsPerSecond: undefined,
  identity: undefined,
  certificate: undefined,
  createdAtMs: 1,
  revision: 1,
  mac: Uint8Array.of(3),
  ...over,
});
export const tokenOf = (i: number): TokenRecord => ({
  id: uuidOf(6, i) as TokenId,
  principalId: uuidOf(5, i) as PrincipalId,
  hash: Uint8Array.of(i),
  label: "",
  createdAtMs: 1,
  expiresAtMs: undefined,
  revokedAtMs: undefined,
  mac: Uint8Array.of(4),
});
export const bind = (i: number, to: Pick<Partial<PrincipalRecord>, "identity" | "certificate">): Call => ({
  name: "updatePrincipal",
  input: { principal: administrator(i, { ...to, revision: 2 }) },
});
export const disable = (i: number): Call => ({
  name: "updatePrincipal",
  input: { principal: administrator(i, { state: "disabled", revision: 2 }) },
});
