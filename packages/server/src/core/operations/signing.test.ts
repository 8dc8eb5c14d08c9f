import { createHash, createPublicKey, verify as nodeVerify } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { refusal } from "../../../../../test/contracts/crypto-unit-contract.ts";
import type { World } from "../../../../../test/model/world.ts";
import { newWorld, removeTemplate } from "../../../../../test/model/world.ts";
import type { SigningSpec } from "../crypto/signature-algorithms.ts";
import { algorithmsOf } from "../crypto/signature-algorithms.ts";
import type { KeyRecord, ProjectRecord } from "../hierarchy/records.ts";
import { createKey } from "./create-key.ts";
import { createProject } from "./create-project.ts";
import { decrypt } from "./decrypt.ts";
import { encrypt } from "./encrypt.ts";
import { exportPublicKey } from "./export-public-key.ts";
import { generateDataKey } from "./generate-data-key.ts";
import { rotateKey } from "./rotate-key.ts";
import { setKeyState } from "./set-key-state.ts";
import { sign } from "./sign.ts";
import { verify } from "./verify.ts";

const SPECS: readonly SigningSpec[] = ["EC_P256", "EC_P384", "RSA_3072", "ED25519"];
const message = Buffer.from("message");
const context = {};
let world: World;
let project: ProjectRecord;

beforeEach(async () => {
  world = await newWorld();
  project = await createProject(world.ports, { name: "shop" });
});
afterEach(() => world.dispose());
afterAll(removeTemplate);

const create = (spec: SigningSpec, name = "signing") => createKey(world.ports, { project, name, spec });
const found = (key: KeyRecord) => world.ports.keys.key(project.id, key.id);

describe.each(SPECS)("a key of %s", (spec) => {
  test("signs, and is verified by the service and by anybody with its public key", async () => {
    const key = await create(spec);
    expect(key).toMatchObject({ spec, usage: "SIGN_VERIFY", origin: "generated", currentVersion: 1 });
    const { signature, algorithm, keyVersion } = await sign(world.ports, { key, message });
    expect([algorithm, keyVersion]).toEqual([algorithmsOf(spec)[0], 1]);
    await world.restart();
    const verdict = await verify(world.ports, { key: await found(key), message, signature });
    expect(verdict).toEqual({ valid: true, algorithm, keyVersion: 1 });
    const { pem, jwk } = await exportPublicKey(world.ports, { key });
    const [byPem, byJwk] = [createPublicKey(pem), createPublicKey({ key: { ...jwk }, format: "jwk" })];
    expect(byPem.equals(byJwk)).toBe(true);
    if (spec === "EC_P256") expect(nodeVerify("sha256", message, byPem, signature)).toBe(true);
    if (spec === "ED25519") expect(nodeVerify(null, message, byPem, signature)).toBe(true);
    expect(jwk).toMatchObject({ kid: `${key.id}/1`, use: "sig" });
    expect(JSON.stringify(jwk)).not.toMatch(/"d":/);
  });
});

describe("a key that signs", () => {
  test("signs with its newest version after a rotation; what older ones signed verifies by its version", async () => {
    const key = await create("EC_P256");
    const first = await sign(world.ports, { key, message });
    const before = await exportPublicKey(world.ports, { key });
    const rotated = await rotateKey(world.ports, { project, key });
    const second = await sign(world.ports, { key: rotated, message });
    expect(second.keyVersion).toBe(2);
    const check = async (signature: Uint8Array, keyVersion?: number) =>
      (await verify(world.ports, { key: rotated, message, signature, keyVersion })).valid;
    expect(await check(second.signature)).toBe(true);
    expect(await check(first.signature)).toBe(false);
    expect(await check(first.signature, 1)).toBe(true);
    expect(await check(second.signature, 1)).toBe(false);
    expect(await refusal(check(first.signature, 3))).toBe("key-not-found");
    const exported = await exportPublicKey(world.ports, { key: rotated, keyVersion: 1 });
    expect(exported.pem).toBe(before.pem);
    expect((await exportPublicKey(world.ports, { key: rotated })).pem).not.toBe(before.pem);
  });

  test("does not encrypt, and a key that encrypts does not sign", async () => {
    const [signing, other] = [
      await create("EC_P256"),
      await createKey(world.ports, { project, name: "aes" }),
    ];
    const { ports } = world;
    for (const wrong of [
      () => encrypt(ports, { key: signing, plaintext: message, context }),
      () => generateDataKey(ports, { key: signing, lengthBytes: 32, context }),
      () => sign(ports, { key: other, message }),
      () => verify(ports, { key: other, message, signature: message }),
      () => exportPublicKey(ports, { key: other }),
    ])
      expect(await refusal(wrong()), wrong.toString()).toBe("key-usage-differs");
    const ciphertext = Buffer.from(await encrypt(ports, { key: other, plaintext: message, context }));
    ciphertext.set(Buffer.from(signing.id.replaceAll("-", ""), "hex"), 2);
    expect(await refusal(decrypt(ports, { project, ciphertext, context }))).toBe("ciphertext-refused");
  });

  test("refuses an algorithm of another kind of key", async () => {
    const key = await create("EC_P256");
    const input = { key, message, algorithm: "ED25519" } as const;
    expect(await refusal(sign(world.ports, input))).toBe("algorithm-refused");
    expect(await refusal(verify(world.ports, { ...input, signature: message }))).toBe("algorithm-refused");
  });

  test("signs a digest where RSA does, and refuses one elsewhere", async () => {
    const rsa = await create("RSA_3072", "rsa");
    const digest = createHash("sha256").update(message).digest();
    const input = { key: rsa, message: digest, messageType: "DIGEST" } as const;
    const { signature } = await sign(world.ports, input);
    expect((await verify(world.ports, { ...input, signature })).valid).toBe(true);
    expect((await verify(world.ports, { key: rsa, message, signature })).valid).toBe(true);
    const short = { ...input, message: digest.subarray(1) };
    expect(await refusal(sign(world.ports, short))).toBe("algorithm-refused");
    expect(await refusal(verify(world.ports, { ...short, signature }))).toBe("algorithm-refused");
    const ec = { ...input, key: await create("EC_P256", "ec") };
    expect(await refusal(sign(world.ports, ec))).toBe("algorithm-refused");
    expect(await refusal(verify(world.ports, { ...ec, signature }))).toBe("algorithm-refused");
  });

  test("does nothing while it is disabled", async () => {
    const key = await setKeyState(world.ports, { key: await create("ED25519"), state: "disabled" });
    for (const use of [
      () => sign(world.ports, { key, message }),
      () => verify(world.ports, { key, message, signature: message }),
      () => exportPublicKey(world.ports, { key }),
    ])
      expect(await refusal(use())).toBe("key-disabled");
  });

  test("is not imported", async () => {
    const input = { project, name: "own", spec: "EC_P256", origin: "imported" } as const;
    expect(await refusal(createKey(world.ports, input))).toBe("invalid-request");
  });

  test("has a public key that its row vouches for: another one in its place is not believed", async () => {
    const [key, other] = [await create("EC_P256"), await create("EC_P256", "other")];
    const { signature } = await sign(world.ports, { key: other, message });
    const db = new DatabaseSync(world.storePath, { timeout: 2_000 });
    db.exec(
      `UPDATE key_versions SET public_key =
         (SELECT public_key FROM key_versions WHERE key_id = '${other.id}') WHERE key_id = '${key.id}'`,
    );
    db.close();
    await world.restart();
    const forged = { key: await found(key), message, signature };
    expect(await refusal(verify(world.ports, forged))).toBe("record-not-vouched");
    expect(await refusal(exportPublicKey(world.ports, forged))).toBe("record-not-vouched");
  });
});
