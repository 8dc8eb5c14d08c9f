import { constants, createPublicKey, createSecretKey, publicEncrypt } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { refusal } from "../../../../../test/contracts/crypto-unit-contract.ts";
import type { World } from "../../../../../test/model/world.ts";
import { newWorld, removeTemplate } from "../../../../../test/model/world.ts";
import { parseCiphertext } from "../crypto/ciphertext.ts";
import { encodeContext } from "../crypto/encryption-context.ts";
import { payloadAad } from "../crypto/payload-aad.ts";
import { PAYLOAD_SUITES, PayloadKey } from "../crypto/payload-suite.ts";
import type { ImportTokenRecord, KeyRecord, ProjectRecord } from "../hierarchy/records.ts";
import { reveal } from "../secret/secret-bytes.ts";
import { cancelKeyDeletion } from "./cancel-key-deletion.ts";
import { createImportToken } from "./create-import-token.ts";
import { createKey } from "./create-key.ts";
import { createProject } from "./create-project.ts";
import { decrypt } from "./decrypt.ts";
import { CALLER_PAYLOAD, encrypt } from "./encrypt.ts";
import { importKeyMaterial } from "./import-key-material.ts";
import { rotateKey } from "./rotate-key.ts";
import { scheduleKeyDeletion } from "./schedule-key-deletion.ts";
import { setKeyState } from "./set-key-state.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const MATERIAL = Buffer.alloc(32, 0x5a);
const context = {};
let world: World;
let project: ProjectRecord;
let key: KeyRecord;

beforeEach(async () => {
  world = await newWorld();
  project = await createProject(world.ports, { name: "shop" });
  key = await createKey(world.ports, { project, name: "own", origin: "imported" });
});
afterEach(() => world.dispose());
afterAll(removeTemplate);

const found = (id = key.id) => world.ports.keys.key(project.id, id);
const askToken = async (id = key.id) => createImportToken(world.ports, { project, key: await found(id) });

function wrap(token: ImportTokenRecord, material: Uint8Array = MATERIAL): Buffer {
  const publicKey = createPublicKey({ key: Buffer.from(token.publicKey), format: "der", type: "spki" });
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  return publicEncrypt({ key: publicKey, padding, oaepHash: "sha256" }, material);
}

interface Bring {
  readonly tokenId?: string;
  readonly wrapped?: Uint8Array;
  readonly into?: KeyRecord;
}
const bring = async (token: ImportTokenRecord, { tokenId, wrapped, into }: Bring = {}) =>
  importKeyMaterial(world.ports, {
    key: into ?? (await found()),
    tokenId: tokenId ?? token.id,
    algorithm: "RSAES_OAEP_SHA_256",
    wrapped: wrapped ?? wrap(token),
  });
const change = (sql: string): void => {
  const db = new DatabaseSync(world.storePath, { timeout: 2_000 });
  db.exec(sql);
  db.close();
};

describe("a key whose material is imported", () => {
  test("waits for it, unused, and is enabled by it", async () => {
    expect(key).toMatchObject({ state: "pending-import", currentVersion: 0, origin: "imported" });
    const plaintext = Buffer.from("x");
    expect(await refusal(encrypt(world.ports, { key, plaintext, context }))).toBe("key-pending-import");
    expect(await refusal(rotateKey(world.ports, { project, key }))).toBe("key-pending-import");
    expect(await refusal(setKeyState(world.ports, { key, state: "enabled" }))).toBe("key-pending-import");
    const imported = await bring(await askToken());
    expect(imported).toMatchObject({ state: "enabled", currentVersion: 1 });
    const ciphertext = await encrypt(world.ports, { key: await found(), plaintext, context });
    await world.restart();
    expect((await decrypt(world.ports, { project, ciphertext, context })).plaintext.lengthBytes).toBe(1);
  });

  test("seals with exactly that material: whoever has it opens the ciphertext without the service", async () => {
    await bring(await askToken());
    const plaintext = Buffer.from("for both of us");
    const ciphertext = parseCiphertext(
      await encrypt(world.ports, { key: await found(), plaintext, context }),
    );
    const place = { projectId: project.id, keyId: key.id, keyVersion: 1, purpose: CALLER_PAYLOAD };
    const aad = payloadAad({ ...place, context: encodeContext(context) });
    expect(
      PAYLOAD_SUITES[ciphertext.suite].open(new PayloadKey(createSecretKey(MATERIAL)), ciphertext, aad),
    ).toEqual(plaintext);
  });

  test("gets its next version by another import, and older ciphertexts still open", async () => {
    await bring(await askToken());
    const plaintext = Buffer.from("first");
    const ciphertext = await encrypt(world.ports, { key: await found(), plaintext, context });
    const again = await askToken();
    await bring(again, { wrapped: wrap(again, Buffer.alloc(32, 1)) });
    expect((await found()).currentVersion).toBe(2);
    using opened = (await decrypt(world.ports, { project, ciphertext, context })).plaintext;
    expect(Buffer.from(reveal(opened)).toString()).toBe("first");
  });

  test("is not rotated, and a generated key takes no import", async () => {
    await bring(await askToken());
    expect(await refusal(rotateKey(world.ports, { project, key: await found() }))).toBe("key-origin-differs");
    const other = await createKey(world.ports, { project, name: "generated" });
    expect(await refusal(askToken(other.id))).toBe("key-origin-differs");
    const token = await askToken();
    expect(await refusal(bring(token, { into: other }))).toBe("key-origin-differs");
  });

  test("stays disabled when it was, and waits again when its deletion is canceled before any material came", async () => {
    await scheduleKeyDeletion(world.ports, { key, days: 7 });
    expect(await refusal(askToken())).toBe("key-pending-deletion");
    expect((await cancelKeyDeletion(world.ports, { key: await found() })).state).toBe("pending-import");
    await bring(await askToken());
    await setKeyState(world.ports, { key: await found(), state: "disabled" });
    expect(await bring(await askToken())).toMatchObject({ state: "disabled", currentVersion: 2 });
  });
});

describe("an import token", () => {
  test("is good for one import", async () => {
    const token = await askToken();
    await bring(token);
    expect(await refusal(bring(token))).toBe("import-token-refused");
    expect((await found()).currentVersion).toBe(1);
  });

  test("is good for one of two imports at the same time", async () => {
    const token = await askToken();
    const now = await found();
    const both = await Promise.all([
      refusal(bring(token, { into: now })),
      refusal(bring(token, { into: now })),
    ]);
    expect(both.filter((outcome) => outcome === "no failure")).toHaveLength(1);
    expect(both.some((outcome) => ["key-changed", "import-token-refused"].includes(outcome))).toBe(true);
    expect((await found()).currentVersion).toBe(1);
  });

  test("is for its own key: another key's, a later one's and one that never was are the same refusal", async () => {
    const other = await createKey(world.ports, { project, name: "other", origin: "imported" });
    const [mine, others] = [await askToken(), await askToken(other.id)];
    expect(await refusal(bring(others))).toBe("import-token-refused");
    expect(await refusal(bring(mine, { tokenId: "00000000-0000-4000-8000-000000000000" }))).toBe(
      "import-token-refused",
    );
    const later = await askToken();
    expect(await refusal(bring(mine))).toBe("import-token-refused");
    expect(await refusal(bring(later, { wrapped: wrap(mine) }))).toBe("key-material-refused");
    await bring(later);
  });

  test("is for the key it was asked for, also when its row is moved to another one", async () => {
    const other = await createKey(world.ports, { project, name: "other", origin: "imported" });
    const token = await askToken(other.id);
    change(`UPDATE import_tokens SET key_id = '${key.id}'`);
    expect(await refusal(bring(token))).toBe("record-not-vouched");
  });

  test("lasts a day", async () => {
    const token = await askToken();
    expect(token.expiresAtMs).toBe(world.clock.nowMs() + DAY_MS);
    world.clock.advance(DAY_MS - 1);
    const kept = await world.ports.store.dropExpiredImportTokens({ nowMs: world.clock.nowMs() });
    world.clock.advance(1);
    expect(await refusal(bring(token))).toBe("import-token-expired");
    change(`UPDATE import_tokens SET expires_at_ms = ${world.clock.nowMs() + DAY_MS}`);
    expect(await refusal(bring(token))).toBe("record-not-vouched");
    const dropped = await world.ports.store.dropExpiredImportTokens({ nowMs: world.clock.nowMs() + DAY_MS });
    expect([kept, dropped]).toEqual([0, 1]);
  });

  test("is not used up by material that is refused", async () => {
    const token = await askToken();
    for (const material of [Buffer.alloc(31), Buffer.alloc(33), Buffer.alloc(0)])
      expect(await refusal(bring(token, { wrapped: wrap(token, material) }))).toBe("key-material-refused");
    expect(await refusal(bring(token, { wrapped: new Uint8Array(1) }))).toBe("key-material-refused");
    expect(await found()).toMatchObject({ state: "pending-import", currentVersion: 0 });
    await bring(token);
  });

  test("goes with its key", async () => {
    await askToken();
    await scheduleKeyDeletion(world.ports, { key: await found(), days: 7 });
    const destroyed = { ...(await found()), state: "destroyed" as const };
    await world.ports.store.destroyKey({
      key: { ...destroyed, revision: destroyed.revision + 1 },
      versions: [],
    });
    expect(await world.ports.store.findImportToken({ keyId: key.id })).toBeUndefined();
  });
});
