import { ClavigerClient, ClavigerError } from "@claviger/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CryptoUnit } from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { TestDaemon } from "../daemon.ts";
import { startTestDaemon } from "../daemon.ts";

/** Holds requests inside the crypto unit, after they were let in and before they are answered. */
class Barrier {
  #held: PromiseWithResolvers<void> | undefined;
  #entered: PromiseWithResolvers<void> | undefined;

  between = (unit: CryptoUnit): CryptoUnit => ({
    ...unit,
    description: unit.description,
    registers: unit.registers,
    keks: unit.keks,
    signing: unit.signing,
    anchors: unit.anchors,
    close: () => unit.close(),
    materials: {
      generate: (kek) => unit.materials.generate(kek),
      createImportKey: (...input) => unit.materials.createImportKey(...input),
      importMaterial: (...input) => unit.materials.importMaterial(...input),
      open: (kek, wrapped) => unit.materials.open(kek, wrapped),
      mac: (material, data) => unit.materials.mac(material, data),
      random: (length) => unit.materials.random(length),
      encrypt: async (material, plaintext, aad) => {
        const sealed = await unit.materials.encrypt(material, plaintext, aad);
        await this.#pass();
        return sealed;
      },
      decrypt: async (material, payload, aad) => {
        const opened = await unit.materials.decrypt(material, payload, aad);
        await this.#pass();
        return opened;
      },
    },
  });

  /** Lets the next request go so far and no further; resolves when it is there. */
  hold(): Promise<void> {
    this.#held = Promise.withResolvers();
    this.#entered = Promise.withResolvers();
    return this.#entered.promise;
  }

  release(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  async #pass(): Promise<void> {
    this.#entered?.resolve();
    await this.#held?.promise;
  }
}

const barrier = new Barrier();
let daemon: TestDaemon;
let admin: ClavigerClient;

beforeAll(async () => {
  daemon = await startTestDaemon({ unit: barrier.between });
  admin = new ClavigerClient({ ...daemon, retries: 0 });
  await admin.projects.create({ name: "shop" });
  await admin.keys.create({ project: "shop", name: "orders" });
});

afterAll(async () => {
  admin.close();
  await daemon[Symbol.asyncDispose]();
});

let made = 0;
async function user(more: { readonly expiresInSeconds?: number } = {}) {
  const name = `user-${(made += 1)}`;
  const { token, tokenId } = await admin.principals.create({
    name,
    grants: [{ role: "key-user", project: "shop" }],
    ...more,
  });
  return { name, tokenId, client: new ClavigerClient({ address: daemon.address, token, retries: 0 }) };
}
const order = { project: "shop", key: "orders", plaintext: Buffer.from("4711") };

describe("what is revoked while a request is under way", () => {
  type User = Awaited<ReturnType<typeof user>>;
  it.for<
    [
      what: string,
      revoke: (user: User) => Promise<unknown>,
      code: string,
      undo: (user: User) => Promise<unknown>,
    ]
  >([
    [
      "a key that is disabled",
      () => admin.keys.disable({ project: "shop", key: "orders" }),
      "key-disabled",
      () => admin.keys.enable({ project: "shop", key: "orders" }),
    ],
    [
      "a principal that is disabled",
      ({ name }) => admin.principals.disable(name),
      "principal-disabled",
      ({ name }) => admin.principals.enable(name),
    ],
    [
      "a token that is revoked",
      ({ name, tokenId }) => admin.principals.revokeToken(name, tokenId),
      "token-revoked",
      () => Promise.resolve(),
    ],
    [
      "a role that is withdrawn",
      ({ name }) => admin.principals.withdraw(name, { role: "key-user", project: "shop" }),
      "forbidden",
      () => Promise.resolve(),
    ],
  ])("%s: the reply that was made already does not leave", async ([, revoke, code, undo]) => {
    for (const use of ["encrypt", "decrypt"] as const) {
      const one = await user();
      const { ciphertext } = await one.client.keys.encrypt(order);
      const entered = barrier.hold();
      const under =
        use === "encrypt"
          ? one.client.keys.encrypt(order)
          : one.client.keys.decrypt({ ...order, ciphertext });
      const refused = under.then(
        () => "answered",
        (error: unknown) => (error instanceof ClavigerError ? error.code : error),
      );
      await entered;
      await revoke(one);
      barrier.release();
      expect(await refused).toBe(code);
      await undo(one);
      one.client.close();
    }
  });

  it("a request that nothing was revoked under is answered, whatever else is", async () => {
    const [one, other] = [await user(), await user()];
    const entered = barrier.hold();
    const under = one.client.keys.encrypt(order);
    await entered;
    await admin.principals.revokeToken(other.name, other.tokenId);
    barrier.release();
    expect((await under).keyVersion).toBe(1);
    for (const { client } of [one, other]) client.close();
  });
});

describe("tokens", () => {
  it("end when they should, and say so", async () => {
    const one = await user({ expiresInSeconds: 1 });
    expect((await one.client.principals.whoAmI()).name).toBe(one.name);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await expect(one.client.keys.encrypt(order)).rejects.toMatchObject({
      code: "token-expired",
      status: 401,
    });
    expect((await admin.principals.listTokens(one.name))[0]).toMatchObject({ state: "expired" });
    one.client.close();
  });

  it("a principal makes itself another one, which ends no later than the one it has", async () => {
    const one = await user({ expiresInSeconds: 600 });
    const { record, token } = await one.client.principals.createToken(one.name, { expiresInSeconds: 6000 });
    const [first] = await one.client.principals.listTokens(one.name);
    expect(record.expiresAt).toBe(first?.expiresAt);
    using again = new ClavigerClient({ address: daemon.address, token });
    await again.principals.revokeToken(one.name, one.tokenId);
    await expect(one.client.principals.whoAmI()).rejects.toMatchObject({ code: "token-revoked" });
    expect((await again.keys.encrypt(order)).keyVersion).toBe(1);
    one.client.close();
  });

  it("are nobody else's business", async () => {
    const [one, other] = [await user(), await user()];
    for (const act of [
      () => one.client.principals.listTokens(other.name),
      () => one.client.principals.createToken(other.name),
      () => one.client.principals.revokeToken(other.name, other.tokenId),
      () => one.client.principals.get(other.name),
    ]) {
      await expect(act()).rejects.toMatchObject({ code: "forbidden" });
    }
    await expect(admin.principals.revokeToken(one.name, other.tokenId)).rejects.toMatchObject({
      code: "token-not-found",
    });
    for (const { client } of [one, other]) client.close();
  });
});

describe("principals", () => {
  it("the last administrator can neither be disabled nor demoted", async () => {
    await expect(admin.principals.disable("administrator")).rejects.toMatchObject({
      code: "administrator-needed",
    });
    await expect(admin.principals.withdraw("administrator", { role: "administrator" })).rejects.toMatchObject(
      { code: "administrator-needed" },
    );
    expect((await admin.principals.whoAmI()).state).toBe("enabled");
  });

  it("the only administrator does not revoke the last token that proves it", async () => {
    const tokens = async () =>
      (await admin.principals.listTokens("administrator")).filter(({ state }) => state === "valid");
    const [first, ...others] = await tokens();
    expect(others).toEqual([]);
    const id = first?.id ?? "";
    const revoke = (token: string) => admin.principals.revokeToken("administrator", token);
    await expect(revoke(id)).rejects.toMatchObject({ code: "credential-needed" });
    const spare = await admin.principals.createToken("administrator", { expiresInSeconds: 3600 });
    await revoke(spare.record.id);
    await expect(revoke(id)).rejects.toMatchObject({ code: "credential-needed" });
    expect(await tokens()).toHaveLength(1);
    // With another administrator there is somebody who gives it a new one.
    const boss = await admin.principals.create({ name: "boss", grants: [{ role: "administrator" }] });
    using other = new ClavigerClient({ address: daemon.address, token: boss.token });
    await other.principals.revokeToken("boss", boss.tokenId);
    await admin.principals.disable("boss");
    await expect(revoke(id)).rejects.toMatchObject({ code: "credential-needed" });
  });

  it("a role that concerns the whole service is not given for a project", async () => {
    const one = await user();
    await expect(
      admin.principals.grant(one.name, { role: "operator", project: "shop" }),
    ).rejects.toMatchObject({
      code: "invalid-request",
      field: "project",
    });
    await expect(
      admin.principals.grant(one.name, { role: "auditor", project: "nowhere" }),
    ).rejects.toMatchObject({
      code: "project-not-found",
    });
    await expect(admin.principals.grant("nobody", { role: "auditor" })).rejects.toMatchObject({
      code: "principal-not-found",
    });
    one.client.close();
  });

  it("are limited to so many requests a second, others are not", async () => {
    const one = await user();
    await admin.principals.limit(one.name, 5);
    const answers = await Promise.allSettled(
      Array.from({ length: 12 }, () => one.client.principals.whoAmI()),
    );
    const refused = answers.filter((answer) => answer.status === "rejected");
    expect(refused.length).toBeGreaterThanOrEqual(5);
    for (const { reason } of refused) expect(reason).toMatchObject({ code: "rate-limited", status: 429 });
    expect((await admin.principals.get(one.name)).requestsPerSecond).toBe(5);
    expect((await admin.principals.limit(one.name, undefined)).requestsPerSecond).toBe(null);
    await one.client.principals.whoAmI();
    one.client.close();
  });
});
