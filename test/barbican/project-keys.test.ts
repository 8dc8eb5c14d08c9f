import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SealedSecret, WrappedProjectKey } from "../../packages/server/src/core/barbican/project-key.ts";
import type { ProjectKeyToken } from "../../packages/server/src/core/barbican/project-key-token.ts";
import { canStartSoftToken, onSoftToken } from "../pkcs11/soft-token.ts";
import type { TestToken } from "../pkcs11/tokens.ts";
import { nssToken, softHsmToken } from "../pkcs11/tokens.ts";
import { isWithout } from "../set-up/without.ts";
import {
  flipped,
  hex,
  KEYS,
  NEW_HMAC_KEY,
  NEW_MKEK,
  OLD,
  open,
  rowsUnder,
  to,
  valueOf,
} from "./known-token.ts";
import { countKeys, destroyKeys, importKeys } from "./token-with-keys.ts";
import { HMAC_KEY, hmacOf, MKEK, vectorKey, vectorSecret, vectorValue, wrapInSoftware } from "./vectors.ts";

/* The project KEKs of a Barbican in real tokens, with master keys of known value: software says what must come out. */

/** What each token does, of rows that Barbican has. */
const TOKENS = [
  {
    name: "softhsm2",
    newToken: softHsmToken,
    // RFC 5649, without an IV.
    mechanism: "CKM_AES_KEY_WRAP_PAD",
    vectors: [0, 1],
    lacks: ["CKM_AES_CBC_PAD", "CKM_AES_KEY_WRAP_KWP"],
  },
  {
    name: "nss",
    newToken: nssToken,
    mechanism: "CKM_AES_KEY_WRAP_KWP",
    vectors: [2],
    lacks: [],
  },
] as const;

describe.for(TOKENS)("project KEKs in a token of $name", ({ name, newToken, mechanism, vectors, lacks }) => {
  let token: TestToken;
  let barbican: ProjectKeyToken & AsyncDisposable;
  beforeAll(async () => {
    if (isWithout(name)) return;
    token = newToken();
    importKeys(token, KEYS);
    barbican = await open(token);
  });
  afterAll(async () => {
    await barbican?.close();
    token?.[Symbol.dispose]();
  });

  test.skipIf(isWithout(name))(
    "of Barbican itself are verified, and go to other master keys with the same value",
    async () => {
      const keys = vectors.map(vectorKey);
      expect(await barbican.verify(keys)).toEqual(keys.map(() => "opened"));
      const made = await barbican.rewrap(keys, to(mechanism));
      expect(made.map(valueOf)).toEqual(vectors.map((n) => hex(vectorValue(n))));
      const named = { mkekLabel: "neu", hmacLabel: "neu", mechanism, iv: null };
      expect(made).toMatchObject(keys.map(() => named));
    },
  );

  test.skipIf(isWithout(name))("of every length are moved, in the order in which they came", async () => {
    const rows = rowsUnder(mechanism, 300);
    const made = await barbican.rewrap(
      rows.map(({ key }) => key),
      to(mechanism),
    );
    expect(made.map(valueOf)).toEqual(rows.map(({ value }) => value));
  });

  test.skipIf(isWithout(name))(
    "of 2015, whose HMAC leaves out the IV, are moved, and get the HMAC of today",
    async () => {
      const [row] = rowsUnder(name === "nss" ? "CKM_AES_CBC_PAD" : mechanism, 1);
      if (!row) throw new Error("no row");
      const old = { ...row.key, hmac: hmacOf(null, row.key.wrapped) };
      expect((await barbican.rewrap([old], to(mechanism))).map(valueOf)).toEqual([row.value]);
    },
  );

  test.skipIf(isWithout(name))("are refused one by one, and the others go on", async () => {
    const [good, ...rows] = rowsUnder(mechanism, 9).map(({ key }) => key);
    if (!good) throw new Error("no row");
    const signed = (key: WrappedProjectKey): WrappedProjectKey => ({
      ...key,
      hmac: hmacOf(key.iv, key.wrapped),
    });
    const [a = good, b = good, c = good, d = good, e = good, f = good, g = good] = rows;
    const bad = [
      [{ ...a, hmac: flipped(a.hmac) }, "hmac-mismatch"],
      [{ ...b, wrapped: flipped(b.wrapped, 0) }, "hmac-mismatch"],
      [signed({ ...c, wrapped: flipped(c.wrapped) }), "not-opened"],
      [{ ...d, mkekLabel: "neu" }, "not-opened"],
      [{ ...e, mkekLabel: "nowhere" }, "mkek-missing"],
      [{ ...f, hmacLabel: "nowhere" }, "hmac-key-missing"],
      [{ ...g, wrapped: g.wrapped.subarray(1) }, "malformed"],
      [{ ...g, wrapped: randomBytes(4_000_000) }, "malformed"],
      [{ ...g, mechanism: "CKM_AES_CBC_PAD" }, "malformed"],
      [{ ...g, hmac: new Uint8Array(0) }, "hmac-mismatch"],
      [{ ...g, hmac: randomBytes(1_000_000) }, "hmac-mismatch"],
    ] as const satisfies readonly (readonly [WrappedProjectKey, string])[];
    const keys = [good, ...bad.map(([key]) => key), good];
    const reasons = bad.map(([, refused]) => ({ refused }));
    expect(await barbican.verify(keys)).toEqual(["opened", ...reasons, "opened"]);
    const made = await barbican.rewrap(keys, to(mechanism));
    expect(made.slice(1, -1)).toEqual(reasons);
    expect(valueOf(made[0] ?? good)).toBe(valueOf(made.at(-1) ?? good));
    expect(valueOf(made[0] ?? good)).toMatch(/^[0-9a-f]{32}$/);
  });

  test.skipIf(isWithout(name))(
    "are not wrapped by what the token does not do, and the mechanism is named",
    async () => {
      for (const lacking of lacks) {
        await expect(barbican.rewrap([vectorKey(0)], to(lacking))).rejects.toMatchObject({
          code: "barbican-mechanism-unsuitable",
          message: expect.stringMatching(
            new RegExp(
              `^the token claviger does not wrap by ${lacking} under neu .*: C_WrapKey returned CKR_`,
            ),
          ),
        });
      }
      if (name === "softhsm2") {
        await expect(barbican.rewrap([vectorKey(0)], to(mechanism, true))).rejects.toMatchObject({
          code: "barbican-mechanism-unsuitable",
        });
        const withIv = wrapInSoftware(vectorValue(0), { ...OLD, iv: null, mechanism });
        const iv = randomBytes(8);
        expect(
          await barbican.verify([vectorKey(2), { ...withIv, iv, hmac: hmacOf(iv, withIv.wrapped) }]),
        ).toEqual([{ refused: "mechanism-unsupported" }, { refused: "mechanism-unsupported" }]);
      }
    },
  );

  test.skipIf(isWithout(name))("need exactly one key of each label of the target", async () => {
    const missing = { code: "barbican-key-missing" };
    await expect(barbican.rewrap([], { ...to(mechanism), mkekLabel: "nowhere" })).rejects.toMatchObject(
      missing,
    );
    await expect(barbican.rewrap([], { ...to(mechanism), hmacLabel: "vmkek" })).rejects.toMatchObject(
      missing,
    );
    importKeys(token, [
      { use: "mkek", label: "twice", value: randomBytes(32), attributes: { ID: Buffer.from("1") } },
      { use: "mkek", label: "twice", value: randomBytes(32), attributes: { ID: Buffer.from("2") } },
      { use: "hmac", label: "twice", value: randomBytes(32), attributes: { ID: Buffer.from("3") } },
      { use: "hmac", label: "twice", value: randomBytes(32), attributes: { ID: Buffer.from("4") } },
    ]);
    await using another = await open(token);
    await expect(another.rewrap([], { ...to(mechanism), mkekLabel: "twice" })).rejects.toMatchObject(missing);
    const [row] = rowsUnder(mechanism, 1);
    if (!row) throw new Error("no row");
    const keys = [
      { ...row.key, mkekLabel: "twice" },
      { ...row.key, hmacLabel: "twice" },
    ];
    expect(await another.verify(keys)).toEqual([
      { refused: "mkek-ambiguous" },
      { refused: "hmac-key-ambiguous" },
    ]);
  });

  test.skipIf(isWithout(name))("are looked for anew by find", async () => {
    const labels = [
      { use: "mkek", label: "vmkek" },
      { use: "hmac", label: "vmkek" },
      { use: "mkek", label: "später" },
    ] as const;
    expect(await barbican.find(labels)).toEqual(["found", "missing", "missing"]);
    importKeys(token, [{ use: "mkek", label: "später", value: randomBytes(32) }]);
    expect(await barbican.find(labels)).toEqual(["found", "missing", "found"]);
    await barbican.rewrap([], { ...to(mechanism), mkekLabel: "später" });
    destroyKeys(token, "später");
    expect(await barbican.find(labels)).toEqual(["found", "missing", "missing"]);
    await expect(barbican.rewrap([], { ...to(mechanism), mkekLabel: "später" })).rejects.toMatchObject({
      code: "barbican-key-missing",
    });
  });

  test.skipIf(isWithout(name))("leave nothing behind in the token", async () => {
    const before = countKeys(token);
    const rows = rowsUnder(mechanism, 20).map(({ key }) => key);
    await barbican.rewrap([...rows, { ...vectorKey(0), hmac: flipped(vectorKey(0).hmac) }], to(mechanism));
    expect(countKeys(token)).toBe(before);
  });

  test.skipIf(isWithout(name))("show whether secrets open under them", async () => {
    const key = wrapInSoftware(vectorValue(0), { ...OLD, iv: null, mechanism });
    const other = wrapInSoftware(vectorValue(1), { ...OLD, iv: null, mechanism });
    const [gcm, cbc] = [vectorSecret(0), vectorSecret(1)];
    const refused = (why: string) => ({ refused: why });
    const secrets: readonly (readonly [SealedSecret, unknown])[] = [
      [gcm, "opened"],
      // Made by an HSM whose IVs have 16 bytes, and of an empty payload.
      [sealGcm(vectorValue(0), randomBytes(16), "claviger test vector"), "opened"],
      [sealGcm(vectorValue(0), randomBytes(12), ""), "opened"],
      [{ ...gcm, ciphertext: flipped(gcm.ciphertext) }, refused("not-opened")],
      [{ ...gcm, iv: flipped(gcm.iv) }, refused("not-opened")],
      [{ ...gcm, iv: gcm.iv.subarray(1) }, refused("malformed")],
      [{ ...gcm, ciphertext: gcm.ciphertext.subarray(0, 15) }, refused("malformed")],
      [{ ...gcm, mechanism: "VENDOR_SAFENET_CKM_AES_GCM" }, refused("mechanism-unsupported")],
      [{ ...gcm, ciphertext: randomBytes(9 * 1024 * 1024) }, refused("malformed")],
      [gcm, "opened"],
    ];
    expect(
      await barbican.verifySecrets(
        key,
        secrets.map(([secret]) => secret),
      ),
    ).toEqual(secrets.map(([, expected]) => expected));
    expect(
      await barbican.verifySecrets(other, [cbc, { ...cbc, ciphertext: cbc.ciphertext.subarray(1) }]),
    ).toEqual(["opened", refused("malformed")]);
    expect(
      await barbican.verifySecrets(other, [{ ...cbc, ciphertext: flipped(cbc.ciphertext, 31) }]),
    ).toEqual([refused("not-opened")]);
    expect(await barbican.verifySecrets({ ...key, hmac: flipped(key.hmac) }, [gcm])).toEqual(
      refused("hmac-mismatch"),
    );
    expect(await barbican.verifySecrets({ ...key, mkekLabel: "nowhere" }, [])).toEqual(
      refused("mkek-missing"),
    );
  });
});

describe("HMAC keys of the type CKK_AES, which is Barbican's default", () => {
  const withAesKey = (token: TestToken): TestToken => {
    importKeys(token, [...KEYS, { use: "hmac", label: "aes", value: HMAC_KEY, type: "CKK_AES" }]);
    return token;
  };
  const rowUnder = (mechanism: WrappedProjectKey["mechanism"]): WrappedProjectKey =>
    wrapInSoftware(vectorValue(0), { mkekLabel: "vmkek", hmacLabel: "aes", iv: null, mechanism });

  test.skipIf(isWithout("nss"))("sign by CKM_AES_MAC, half a block", async () => {
    using token = withAesKey(nssToken());
    await using barbican = await open(token, { hmacKeyType: "CKK_AES", hmacMechanism: "CKM_AES_MAC" });
    const row = rowUnder("CKM_AES_KEY_WRAP_KWP");
    const [made] = await barbican.rewrap([{ ...row, hmac: aesMac(row.wrapped) }], {
      ...to("CKM_AES_KEY_WRAP_KWP"),
      hmacLabel: "aes",
    });
    if (!made || "refused" in made) throw new Error("it was refused");
    expect(hex(made.hmac)).toBe(hex(aesMac(made.wrapped)));
    expect(made.hmac).toHaveLength(8);
  });

  test.skipIf(isWithout("nss"))(
    "sign by CKM_SHA256_HMAC too, and those of another type are missing",
    async () => {
      using token = withAesKey(nssToken());
      await using barbican = await open(token, { hmacKeyType: "CKK_AES" });
      const row = rowUnder("CKM_AES_KEY_WRAP_KWP");
      expect(await barbican.verify([row, { ...row, hmacLabel: "vhmac" }])).toEqual([
        "opened",
        { refused: "hmac-key-missing" },
      ]);
    },
  );

  test.skipIf(isWithout("softhsm2"))("do not sign by CKM_SHA256_HMAC in SoftHSM", async () => {
    using token = withAesKey(softHsmToken());
    await using barbican = await open(token, { hmacKeyType: "CKK_AES" });
    const row = rowUnder("CKM_AES_KEY_WRAP_PAD");
    expect(await barbican.verify([row])).toEqual([{ refused: "mechanism-unsupported" }]);
    await expect(
      barbican.rewrap([row], { ...to("CKM_AES_KEY_WRAP_PAD"), hmacLabel: "aes" }),
    ).rejects.toMatchObject({
      code: "barbican-mechanism-unsuitable",
      message: expect.stringContaining("sign by aes: C_SignInit returned CKR_KEY_TYPE_INCONSISTENT"),
    });
  });
});

describe.skipIf(isWithout("nss"))("project KEKs that CKM_AES_CBC_PAD wraps", () => {
  let token: TestToken;
  let barbican: ProjectKeyToken & AsyncDisposable;
  beforeAll(async () => {
    token = nssToken();
    importKeys(token, KEYS);
    barbican = await open(token);
  });
  afterAll(async () => {
    await barbican.close();
    token[Symbol.dispose]();
  });

  test("go to CKM_AES_KEY_WRAP_KWP", async () => {
    const rows = rowsUnder("CKM_AES_CBC_PAD", 30);
    const made = await barbican.rewrap(
      rows.map(({ key }) => key),
      to("CKM_AES_KEY_WRAP_KWP"),
    );
    expect(made.map(valueOf)).toEqual(rows.map(({ value }) => value));
  });

  test("stay with it, and get an IV of their own whatever is asked for", async () => {
    for (const generatesIv of [true, false]) {
      const made = await barbican.rewrap([vectorKey(2), vectorKey(2)], to("CKM_AES_CBC_PAD", generatesIv));
      expect(made.map(valueOf)).toEqual([hex(vectorValue(2)), hex(vectorValue(2))]);
      const ivs = made.map((one) => ("refused" in one ? "" : hex(one.iv ?? MKEK)));
      expect(new Set(ivs).size).toBe(2);
      expect(ivs[0]).toHaveLength(32);
    }
  });

  test("get the IV of CKM_AES_KEY_WRAP_PAD as its parameter, which NSS takes for that of RFC 3394", async () => {
    const [made] = await barbican.rewrap([vectorKey(2)], to("CKM_AES_KEY_WRAP_PAD", true));
    if (!made || "refused" in made || !made.iv) throw new Error("there is no IV");
    expect(hex(made.hmac)).toBe(hex(hmacOf(made.iv, made.wrapped, NEW_HMAC_KEY)));
    const cipher = createDecipheriv("id-aes256-wrap", NEW_MKEK, made.iv);
    const padded = Buffer.concat([cipher.update(made.wrapped), cipher.final()]);
    expect(hex(padded)).toBe(hex(vectorValue(2)) + "08".repeat(8));
    expect(await barbican.verify([made])).toEqual(["opened"]);
  });

  test("get an IV of 4 bytes for CKM_AES_KEY_WRAP_KWP, which NSS leaves aside", async () => {
    const [made] = await barbican.rewrap([vectorKey(2)], to("CKM_AES_KEY_WRAP_KWP", true));
    if (!made || "refused" in made || !made.iv) throw new Error("there is no IV");
    expect(made.iv).toHaveLength(4);
    expect(hex(made.hmac)).toBe(hex(hmacOf(made.iv, made.wrapped, NEW_HMAC_KEY)));
    const withoutIv = { ...made, iv: null, hmac: hmacOf(null, made.wrapped, NEW_HMAC_KEY) };
    expect(valueOf(withoutIv)).toBe(hex(vectorValue(2)));
    expect(await barbican.verify([made])).toEqual(["opened"]);
  });

  test("are refused with one bit changed in the IV, which its HMAC covers", async () => {
    const key = vectorKey(2);
    expect(await barbican.verify([{ ...key, iv: flipped(key.iv ?? MKEK) }])).toEqual([
      { refused: "hmac-mismatch" },
    ]);
  });
});

describe.skipIf(!canStartSoftToken())("openCryptoki's soft token", () => {
  test("moves what Barbican 15 has made on it, and leaves nothing behind", () => {
    expect(onSoftToken(fileURLToPath(new URL("soft-token-process.ts", import.meta.url)))).toEqual({
      verified: "opened",
      made: [hex(vectorValue(2)), "hmac-mismatch"],
      kwp: "barbican-mechanism-unsuitable",
      leftBehind: 0,
    });
  });
});

/** As a Barbican that encrypts by CKM_AES_GCM. */
function sealGcm(key: Uint8Array, iv: Uint8Array, text: string): SealedSecret {
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const sealed = Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]);
  return { mechanism: "CKM_AES_GCM", iv, ciphertext: sealed };
}

/** CKM_AES_MAC: the first half of the last block of CBC, of zeros behind the data (FIPS 113, by AES). */
function aesMac(data: Uint8Array): Buffer {
  const cipher = createCipheriv("aes-256-cbc", HMAC_KEY, Buffer.alloc(16)).setAutoPadding(false);
  const padded = Buffer.alloc(Math.ceil(data.byteLength / 16) * 16);
  padded.set(data);
  return cipher.update(padded).subarray(-16).subarray(0, 8);
}
