import { createSecretKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { flipped, refusal } from "../../../../../../test/contracts/crypto-unit-contract.ts";
import type { KeyHost } from "../../../../../../test/pkcs11/key-host.ts";
import { startKeyHost } from "../../../../../../test/pkcs11/key-host.ts";
import type { TestToken } from "../../../../../../test/pkcs11/tokens.ts";
import { nssToken, softHsmToken } from "../../../../../../test/pkcs11/tokens.ts";
import { isWithout } from "../../../../../../test/set-up/without.ts";
import { unwrapKwp, wrapKwp } from "../../../core/crypto/aes-kwp.ts";
import type { RsaHash } from "../../../core/crypto/rsa-digest.ts";
import { DIGEST_BYTES } from "../../../core/crypto/rsa-digest.ts";
import type { SigningSpec } from "../../../core/crypto/signature-algorithms.ts";
import {
  algorithmsOf,
  generateSigningKey,
  readSigningKey,
  signingSpecs,
  signMessage,
  verifyMessage,
} from "../../../core/crypto/signature-algorithms.ts";

/** NSS takes no EC private key back without its public point, which is not in what was wrapped. */
const TOKENS: readonly { name: string; newToken: () => TestToken; specs: readonly SigningSpec[] }[] = [
  { name: "softhsm2", newToken: softHsmToken, specs: ["EC_P256", "EC_P384", "RSA_3072"] },
  { name: "nss", newToken: nssToken, specs: ["RSA_3072"] },
];
const message = Buffer.from("message");

describe.each(TOKENS.filter(({ name }) => !isWithout(name)))(
  "signing keys in $name",
  ({ newToken, specs }) => {
    let token: TestToken;
    let host: KeyHost;
    const kekValue = randomBytes(32);
    const softwareKek = createSecretKey(kekValue);
    let kek: number;
    beforeAll(async () => {
      token = newToken();
      host = await startKeyHost(token);
      kek = await host.call("kek", kekValue);
    });
    afterAll(async () => {
      await host[Symbol.asyncDispose]();
      token[Symbol.dispose]();
    });

    describe.each(specs)("%s", (spec) => {
      test("made in the token sign there and in a software unit what their public key verifies", async () => {
        const { publicKey, wrapped } = await host.call("generateKeyPair", kek, spec);
        const key = await host.call("openSigningKey", kek, spec, wrapped);
        const pkcs8 = unwrapKwp(softwareKek, wrapped);
        const softwareKey = pkcs8 === "refused" ? pkcs8 : readSigningKey(spec, pkcs8);
        if (softwareKey === "refused") throw new Error("a software unit refuses the key");
        for (const algorithm of algorithmsOf(spec)) {
          const signatures = [
            await host.call("sign", key, algorithm, message),
            await signMessage(algorithm, softwareKey, message),
          ];
          for (const signature of signatures) {
            expect(await verifyMessage(algorithm, publicKey, message, signature), algorithm).toBe(true);
            expect(await verifyMessage(algorithm, publicKey, Buffer.from("Message"), signature)).toBe(false);
          }
        }
      });

      test("made in a software unit sign in the token, messages of any length", async () => {
        const { publicKey, pkcs8 } = await generateSigningKey(spec);
        const key = await host.call("openSigningKey", kek, spec, wrapKwp(softwareKek, pkcs8));
        for (const algorithm of algorithmsOf(spec))
          for (const data of [Buffer.alloc(0), message, randomBytes(65_536)]) {
            const signature = await host.call("sign", key, algorithm, data);
            expect(await verifyMessage(algorithm, publicKey, data, signature), algorithm).toBe(true);
          }
      });

      test("open under their own KEK only, unchanged, as what they are", async () => {
        const { wrapped } = await host.call("generateKeyPair", kek, spec);
        const open = (blob: Uint8Array, as: SigningSpec = spec, by = kek) =>
          refusal(host.call("openSigningKey", by, as, blob));
        for (const at of Array.from({ length: 32 }, (_, i) => Math.floor((i * wrapped.byteLength) / 32)))
          expect(await open(flipped(wrapped, at)), String(at)).toBe("record-not-vouched");
        for (const cut of [
          wrapped.subarray(8),
          wrapped.subarray(0, -8),
          wrapped.subarray(1),
          Buffer.alloc(0),
        ])
          expect(await open(cut)).toBe("record-not-vouched");
        for (const as of (["EC_P256", "EC_P384", "RSA_3072"] as const).filter((one) => one !== spec))
          expect(await open(wrapped, as), as).toBe("record-not-vouched");
        expect(await open(wrapped, spec, await host.call("kek", randomBytes(32)))).toBe("record-not-vouched");
        expect(await open(await host.call("generate", kek))).toBe("record-not-vouched");
        expect(await open(wrapKwp(softwareKek, randomBytes(1000)))).toBe("record-not-vouched");
        expect(await refusal(host.call("open", kek, wrapped))).toBe("record-not-vouched");
        expect(await open(wrapped)).toBe("no failure");
      });

      test("refuse the algorithms of other keys", async () => {
        const { wrapped } = await host.call("generateKeyPair", kek, spec);
        const key = await host.call("openSigningKey", kek, spec, wrapped);
        for (const algorithm of signingSpecs()
          .filter((one) => one !== spec)
          .flatMap(algorithmsOf))
          expect(await refusal(host.call("sign", key, algorithm, message))).toBe("algorithm-refused");
      });
    });

    test("RSA signs a digest as its message, of the hash's length only", async () => {
      const { publicKey, wrapped } = await host.call("generateKeyPair", kek, "RSA_3072");
      const key = await host.call("openSigningKey", kek, "RSA_3072", wrapped);
      for (const algorithm of algorithmsOf("RSA_3072")) {
        const name = algorithm.replace(/^.*_SHA_/, "sha") as RsaHash;
        const digest = randomBytes(DIGEST_BYTES[name]);
        const signature = await host.call("sign", key, algorithm, digest, "DIGEST");
        expect(await verifyMessage(algorithm, publicKey, digest, signature, "DIGEST"), algorithm).toBe(true);
        const longer = Buffer.concat([digest, Buffer.of(0)]);
        for (const other of [longer, digest.subarray(1)])
          expect(await refusal(host.call("sign", key, algorithm, other, "DIGEST"))).toBe("algorithm-refused");
      }
    });

    test("RSA keys of another size, and keys of other types, are none of RSA_3072", async () => {
      const others = [
        generateKeyPairSync("rsa", { modulusLength: 2048 }),
        generateKeyPairSync("rsa", { modulusLength: 3080 }),
        generateKeyPairSync("ec", { namedCurve: "prime256v1" }),
        generateKeyPairSync("ed25519"),
      ];
      for (const { privateKey } of others) {
        const wrapped = wrapKwp(softwareKek, privateKey.export({ format: "der", type: "pkcs8" }));
        expect(await refusal(host.call("openSigningKey", kek, "RSA_3072", wrapped))).toBe(
          "record-not-vouched",
        );
      }
    });

    test("there are none of Ed25519", async () => {
      expect(await refusal(host.call("generateKeyPair", kek, "ED25519"))).toBe("unit-lacks-ability");
      expect(await refusal(host.call("openSigningKey", kek, "ED25519", Buffer.alloc(64)))).toBe(
        "unit-lacks-ability",
      );
    });

    test("are kept in the token, and nothing of them is left when they are closed", async () => {
      await using alone = await startKeyHost(token);
      const own = await alone.call("kek", kekValue);
      const { wrapped } = await alone.call("generateKeyPair", own, "RSA_3072");
      const rsa2048 = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
      const other = wrapKwp(softwareKek, rsa2048.export({ format: "der", type: "pkcs8" }));
      await refusal(alone.call("openSigningKey", own, "RSA_3072", other));
      const key = await alone.call("openSigningKey", own, "RSA_3072", wrapped);
      expect(await alone.call("sessionKeys")).toEqual(["kept", "kept"]);
      await alone.call("closeSigningKey", key);
      expect(await alone.call("sessionKeys")).toEqual(["kept"]);
    });
  },
);
