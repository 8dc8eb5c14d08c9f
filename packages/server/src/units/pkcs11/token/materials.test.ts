import { createSecretKey, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { flipped, refusal } from "../../../../../../test/contracts/crypto-unit-contract.ts";
import type { KeyHost } from "../../../../../../test/pkcs11/key-host.ts";
import { startKeyHost } from "../../../../../../test/pkcs11/key-host.ts";
import type { Shim } from "../../../../../../test/pkcs11/shim.ts";
import { shimFor } from "../../../../../../test/pkcs11/shim.ts";
import type { TestToken } from "../../../../../../test/pkcs11/tokens.ts";
import { nssToken, softHsmToken } from "../../../../../../test/pkcs11/tokens.ts";
import { isWithout } from "../../../../../../test/set-up/without.ts";
import { unwrapKwp, wrapKwp } from "../../../core/crypto/aes-kwp.ts";
import type { PayloadSuiteNumber } from "../../../core/crypto/payload-suite.ts";
import { PAYLOAD_SUITES, PayloadKey, payloadMac } from "../../../core/crypto/payload-suite.ts";
import type { SealedPayload } from "../../../core/unit/crypto-unit.ts";

const SIZES = [0, 1, 16, 1000, 65_536];
const SUITES: readonly PayloadSuiteNumber[] = [1, 2, 3];
const TOKENS = [
  { name: "softhsm2", newToken: softHsmToken },
  { name: "nss", newToken: nssToken },
];
const aad = Buffer.from("aad");

/** Key material under a KEK, both of which this process knows, as a software unit would. */
async function known(host: KeyHost) {
  const kekValue = randomBytes(32);
  const kek = await host.call("kek", kekValue);
  const value = randomBytes(32);
  const wrapped = wrapKwp(createSecretKey(kekValue), value);
  const payloadKey = new PayloadKey(createSecretKey(value));
  return { kekValue, kek, wrapped, payloadKey, material: await host.call("open", kek, wrapped) };
}

describe.each(TOKENS.filter(({ name }) => !isWithout(name)))("key material in $name", ({ newToken }) => {
  let token: TestToken;
  let host: KeyHost;
  beforeAll(async () => {
    token = newToken();
    host = await startKeyHost(token);
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    token[Symbol.dispose]();
  });

  test("is made as 32 bytes that a software unit unwraps, each time others", async () => {
    const { kek, kekValue } = await known(host);
    const blobs = [await host.call("generate", kek), await host.call("generate", kek)];
    const values = blobs.map((blob) => unwrapKwp(createSecretKey(kekValue), blob));
    expect(blobs.map((blob) => blob.byteLength)).toEqual([40, 40]);
    expect(values.map((value) => value.length)).toEqual([32, 32]);
    expect(values[0]).not.toEqual(values[1]);
  });

  test.each(SIZES)("seals %i bytes with suite 3 for itself and for a software unit", async (lengthBytes) => {
    const { material, payloadKey } = await known(host);
    const plaintext = randomBytes(lengthBytes);
    const payload = await host.call("encrypt", material, plaintext, aad);
    const again = await host.call("encrypt", material, plaintext, aad);
    expect(payload.suite).toBe(3);
    expect(again.nonce).not.toEqual(payload.nonce);
    expect(Buffer.from(PAYLOAD_SUITES[3].open(payloadKey, payload, aad))).toEqual(plaintext);
    expect(Buffer.from(await host.call("decrypt", material, payload, aad))).toEqual(plaintext);
  });

  describe.each(SUITES)("suite %i", (suite) => {
    test.each(SIZES)("opens %i bytes that a software unit sealed", async (lengthBytes) => {
      const { material, payloadKey } = await known(host);
      const plaintext = randomBytes(lengthBytes);
      for (const data of [aad, Buffer.alloc(0)]) {
        const payload = { suite, ...PAYLOAD_SUITES[suite].seal(payloadKey, plaintext, data) };
        expect(Buffer.from(await host.call("decrypt", material, payload, data))).toEqual(plaintext);
      }
    });

    test.each([0, 20])("refuses %i bytes when anything is changed or missing", async (lengthBytes) => {
      const { material, payloadKey } = await known(host);
      const payload = { suite, ...PAYLOAD_SUITES[suite].seal(payloadKey, randomBytes(lengthBytes), aad) };
      const { nonce, sealed } = payload;
      const decrypt = (change: Partial<SealedPayload>, data: Uint8Array = aad, by = material) =>
        refusal(host.call("decrypt", by, { ...payload, ...change }, data));
      for (const at of nonce.keys())
        expect(await decrypt({ nonce: flipped(nonce, at) }), `nonce ${at}`).toBe("ciphertext-refused");
      for (const at of sealed.keys())
        expect(await decrypt({ sealed: flipped(sealed, at) }), `sealed ${at}`).toBe("ciphertext-refused");
      for (const end of [0, 1, 15, sealed.byteLength - 1])
        expect(await decrypt({ sealed: sealed.subarray(0, end) }), `${end}`).toBe("ciphertext-refused");
      for (const other of [nonce.subarray(1), Buffer.concat([nonce, Buffer.of(0)]), Buffer.alloc(0)])
        expect(await decrypt({ nonce: other })).toBe("ciphertext-refused");
      for (const other of [...SUITES.filter((one) => one !== suite), 0, 4, 0.5])
        expect(await decrypt({ suite: other }), `suite ${other}`).toBe("ciphertext-refused");
      expect(await decrypt({}, Buffer.from("aae"))).toBe("ciphertext-refused");
      expect(await decrypt({}, Buffer.alloc(0))).toBe("ciphertext-refused");
      expect(await decrypt({}, aad, (await known(host)).material)).toBe("ciphertext-refused");
      expect(await decrypt({})).toBe("no failure");
    });
  });

  test("opens under its own KEK only, unchanged, and 32 bytes only", async () => {
    const { kek, kekValue, wrapped } = await known(host);
    const open = (blob: Uint8Array, by = kek) => refusal(host.call("open", by, blob));
    for (const at of wrapped.keys()) expect(await open(flipped(wrapped, at))).toBe("record-not-vouched");
    for (const other of [0, 8, 39].map((end) => wrapped.subarray(0, end)))
      expect(await open(other)).toBe("record-not-vouched");
    for (const lengthBytes of [16, 24, 33, 64])
      expect(await open(wrapKwp(createSecretKey(kekValue), randomBytes(lengthBytes)))).toBe(
        "record-not-vouched",
      );
    expect(await open(wrapped, await host.call("kek", randomBytes(32)))).toBe("record-not-vouched");
    expect(await open(wrapped)).toBe("no failure");
  });

  test.each([0, 1, 64, 65_536])(
    "makes the MAC of %i bytes that a software unit makes",
    async (lengthBytes) => {
      const { material, payloadKey } = await known(host);
      const data = randomBytes(lengthBytes);
      for (const _ of [1, 2])
        expect(Buffer.from(await host.call("mac", material, data))).toEqual(payloadMac(payloadKey, data));
    },
  );

  test("gives random bytes, as many as are asked for", async () => {
    const [a, b] = [await host.call("random", 32), await host.call("random", 32)];
    expect(a).not.toEqual(b);
    for (const lengthBytes of [1, 65_536])
      expect(await host.call("random", lengthBytes)).toHaveLength(lengthBytes);
    for (const lengthBytes of [0, -1, 1.5, 65_537])
      expect(await refusal(host.call("random", lengthBytes))).toBe("invalid-request");
  });

  test("is used without its KEK, which is looked up once more for the first HMAC", async () => {
    const { kek, kekValue, material, payloadKey } = await known(host);
    await host.call("closeKek", kek);
    const payload = await host.call("encrypt", material, Buffer.from("plain"), aad);
    expect(String(await host.call("decrypt", material, payload, aad))).toBe("plain");
    await expect(host.call("mac", material, aad)).rejects.toThrow(`nothing has the number ${kek}`);
    await host.call("reopenKek", kek, kekValue);
    const mac = await host.call("mac", material, aad);
    await host.call("closeKek", kek);
    expect(await host.call("mac", material, aad)).toEqual(mac);
    expect(Buffer.from(mac)).toEqual(payloadMac(payloadKey, aad));
  });

  test("is kept in the token, and nothing of it is left when it is closed", async () => {
    await using alone = await startKeyHost(token);
    const { kek, material, payloadKey, wrapped } = await known(alone);
    for (const suite of SUITES) {
      const payload = { suite, ...PAYLOAD_SUITES[suite].seal(payloadKey, Buffer.from("plain"), aad) };
      await alone.call("decrypt", material, payload, aad);
      const { sealed } = payload;
      await refusal(alone.call("decrypt", material, { ...payload, sealed: flipped(sealed, 0) }, aad));
    }
    await alone.call("encrypt", material, Buffer.from("plain"), aad);
    await alone.call("mac", material, Buffer.from("data"));
    await alone.call("generate", kek);
    await refusal(alone.call("open", kek, flipped(wrapped, 0)));
    // The KEK, and the material as AES key, HMAC key and MAC key.
    expect(await alone.call("sessionKeys")).toEqual(["kept", "kept", "kept", "kept"]);
    await alone.call("close", material);
    expect(await alone.call("sessionKeys")).toEqual(["kept"]);
  });
});

const CKR_GENERAL_ERROR = 0x05;
const CKR_FUNCTION_FAILED = 0x06;
const CKR_DEVICE_ERROR = 0x30;
const CKR_MECHANISM_INVALID = 0x70;

describe.skipIf(isWithout("softhsm2"))("key material in a token in trouble", () => {
  let token: TestToken;
  let shim: Shim;
  let host: KeyHost;
  beforeAll(async () => {
    token = softHsmToken();
    shim = shimFor(token);
    host = await startKeyHost(token, shim);
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    shim[Symbol.dispose]();
    token[Symbol.dispose]();
  });

  test.each([CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED])(
    "opens when the token says once what it says of a bad blob too (%i)",
    async (rv) => {
      const { kek, wrapped } = await known(host);
      shim.set({ fn: "C_UnwrapKey", rv, times: 1 });
      expect(await refusal(host.call("open", kek, wrapped))).toBe("no failure");
      expect(shim.injected()).toBeGreaterThan(0);
    },
  );

  test("decrypts when the token says once what it says of a bad ciphertext too", async () => {
    const { material } = await known(host);
    const payload = await host.call("encrypt", material, Buffer.from("plain"), aad);
    shim.set({ fn: "C_Decrypt", rv: CKR_GENERAL_ERROR, times: 1, after: true });
    expect(String(await host.call("decrypt", material, payload, aad))).toBe("plain");
  });

  test.each([
    ["C_UnwrapKey", CKR_DEVICE_ERROR],
    ["C_UnwrapKey", CKR_MECHANISM_INVALID],
    ["*", CKR_GENERAL_ERROR],
  ] as const)("does not take its own %s that fails with %i for a bad row", async (fn, rv) => {
    const { kek, wrapped } = await known(host);
    shim.set({ fn, rv });
    await expect(host.call("open", kek, wrapped)).rejects.toThrow(/^Token(Error|Trouble): /);
    shim.clear();
    expect(await refusal(host.call("random", 1))).toBe("no failure");
  });

  test("gives out no blob of which one bit is another", async () => {
    const { kek } = await known(host);
    shim.set({ flip: "C_WrapKey" });
    // The second: when the key that the token is proved by comes out wrong, too.
    const trouble = /^TokenTrouble: (?:a wrapped key does not open again|of a good key: )/;
    await expect(host.call("generate", kek)).rejects.toThrow(trouble);
    await expect(host.call("generateKeyPair", kek, "EC_P256")).rejects.toThrow(trouble);
    shim.clear();
    expect(await host.call("generate", kek)).toHaveLength(40);
  });
});
