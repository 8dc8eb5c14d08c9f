import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { refusal } from "../../../../../test/contracts/crypto-unit-contract.ts";
import type { World } from "../../../../../test/model/world.ts";
import { newWorld, removeTemplate } from "../../../../../test/model/world.ts";
import { RESERVED_PROJECT_ID, ROW_MAC_KEY_NAME } from "../hierarchy/reserved-project.ts";
import type { KeyRecord, ProjectRecord } from "../hierarchy/records.ts";
import { createKey } from "../operations/create-key.ts";
import { createProject } from "../operations/create-project.ts";
import { setKeyState } from "../operations/set-key-state.ts";

let world: World;
let project: ProjectRecord;
let key: KeyRecord;

beforeEach(async () => {
  world = await newWorld();
  project = await createProject(world.ports, { name: "shop" });
  key = await createKey(world.ports, { project, name: "orders" });
});
afterEach(() => world.dispose());
afterAll(removeTemplate);

/** The MAC of members that a test names, each with its length in front, under the service's own key for rows. */
async function macOf(members: readonly (string | number | Uint8Array)[]): Promise<Uint8Array> {
  const { store, materials } = world.ports;
  const owner = await store.findKey({ projectId: RESERVED_PROJECT_ID, ref: ROW_MAC_KEY_NAME });
  const macKey = owner && (await store.readKeyVersion({ keyId: owner.id, version: 1 }));
  if (!macKey) throw new Error("there is no key for rows");
  const encoded = members.flatMap((member) => {
    const bytes = member instanceof Uint8Array ? member : Buffer.from(String(member));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  });
  return await materials.withMaterial(macKey, ({ unit, handle }) =>
    unit.materials.mac(handle, Buffer.concat(encoded)),
  );
}

const formerMembers = (row: KeyRecord) => [
  "claviger row key 1",
  row.id,
  row.projectId,
  row.name,
  row.spec,
  row.usage,
  row.state,
  row.currentVersion,
  row.createdAtMs,
  row.revision,
];

function write(mac: Uint8Array, set = "revision = revision"): void {
  const db = new DatabaseSync(world.storePath, { timeout: 2_000 });
  db.prepare(`UPDATE keys SET mac = ?, ${set} WHERE id = ?`).run(mac, key.id);
  db.close();
}

test("a key that release 0.1.0 vouched for is believed, and vouched for anew when it changes", async () => {
  write(await macOf(formerMembers(key)));
  await world.restart();
  const { ports } = world;
  const found = await ports.keys.key(project.id, "orders");
  expect(found).toMatchObject({ id: key.id, state: "enabled" });
  const changed = await setKeyState(ports, { key: found, state: "disabled" });
  expect(changed.mac).not.toEqual(await macOf(formerMembers(changed)));
  expect(await ports.vouchedRows.checkKey(changed)).toBe(changed);
});

test.each(["spec", "usage", "state", "name"] as const)(
  "a key that release 0.1.0 vouched for with another %s is not believed",
  async (member) => {
    write(await macOf(formerMembers({ ...key, [member]: "other" })));
    await world.restart();
    expect(await refusal(world.ports.keys.key(project.id, "orders"))).toBe("record-not-vouched");
  },
);

test("what release 0.1.0 did not know it did not vouch for", async () => {
  for (const over of [
    { state: "pending-deletion", deletionDueMs: 1 },
    { state: "enabled", deletionDueMs: 1 },
    { state: "enabled", origin: "imported" },
    { state: "enabled", destroyedAtMs: 1 },
    { state: "destroyed" },
  ] as const) {
    const row = { ...key, ...over };
    const mac = await macOf(formerMembers(row));
    expect(await refusal(world.ports.vouchedRows.checkKey({ ...row, mac }))).toBe("record-not-vouched");
  }
});

test("no member of a key is without its MAC", async () => {
  const row = await world.ports.vouchedRows.vouchForKey({ ...key, deletionDueMs: 1, destroyedAtMs: 2 });
  await world.ports.vouchedRows.checkKey(row);
  for (const member of Object.keys(row) as (keyof KeyRecord)[]) {
    if (member === "mac") continue;
    for (const other of [
      { ...row, [member]: 77 },
      { ...row, [member]: undefined },
    ])
      expect(await refusal(world.ports.vouchedRows.checkKey(other)), member).toBe("record-not-vouched");
  }
  const swapped = { ...row, deletionDueMs: 2, destroyedAtMs: 1 };
  expect(await refusal(world.ports.vouchedRows.checkKey(swapped))).toBe("record-not-vouched");
});

test("a version that release 0.1.0 vouched for is believed, but no public key that it did not know", async () => {
  const { ports } = world;
  const version = await ports.keys.version(key, 1);
  const { keyId, projectId, kekId, wrapped, createdAtMs } = version;
  const former = ["claviger row key-version 1", keyId, projectId, 1, kekId, wrapped, createdAtMs];
  const mac = await macOf(former);
  await ports.vouchedRows.checkVersion({ ...version, mac });
  const forged = { ...version, mac, publicKey: Uint8Array.of(1) };
  expect(await refusal(ports.vouchedRows.checkVersion(forged))).toBe("record-not-vouched");
});

test("no member of a version is without its MAC", async () => {
  const { ports } = world;
  const known = await ports.keys.version(key, 1);
  const row = await ports.vouchedRows.vouchForVersion({ ...known, publicKey: Uint8Array.of(1, 2) });
  await ports.vouchedRows.checkVersion(row);
  for (const member of Object.keys(row) as (keyof typeof row)[]) {
    if (member === "mac") continue;
    for (const other of [
      { ...row, [member]: 77 },
      { ...row, [member]: undefined },
    ])
      expect(await refusal(ports.vouchedRows.checkVersion(other)), member).toBe("record-not-vouched");
  }
});
