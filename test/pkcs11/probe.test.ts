import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { capabilityLines } from "../../packages/server/src/units/pkcs11/capability-report.ts";
import { probeToken } from "../../packages/server/src/units/pkcs11/probe-token.ts";
import type { Finding, ProofName, TokenFacts } from "../../packages/server/src/units/pkcs11/token-facts.ts";
import { isWithout } from "../set-up/without.ts";
import type { Fault, Shim } from "./shim.ts";
import { shimFor } from "./shim.ts";
import { startTokenUser } from "./token-user.ts";
import { tokenToProbe } from "./token-to-probe.ts";
import type { TestToken } from "./tokens.ts";
import { nssToken, softHsmToken } from "./tokens.ts";

/** A probe of real tokens, and of what a token does wrongly, by a module before it. */
const CKR_DEVICE_REMOVED = 0x32;
const CKR_FUNCTION_NOT_SUPPORTED = 0x54;
const CKR_TEMPLATE_INCONSISTENT = 0xd1;
const KWP = 0x21_0b;
const KWP_OF_SOFTHSM = 0x21_0a;
const AES_GCM = 0x10_87;

const LIAR = fileURLToPath(new URL("lying-token-process.ts", import.meta.url));

/** Arguments and environment of the process of that name which has this environment, as soon as there is one (Linux). */
async function untilShown(name: string, environment: Readonly<Record<string, string>>): Promise<string> {
  const [marker = ""] = Object.entries(environment).map(([key, value]) => `${key}=${value}`);
  for (;;) {
    const processes = globSync("/proc/[0-9]*").map((folder) =>
      ["cmdline", "environ"].map((file) => readIfThere(`${folder}/${file}`)).join("\n"),
    );
    const found = processes.find((shown) => shown.includes(name) && shown.includes(marker));
    if (found !== undefined) return found;
    await sleep(50);
  }
}

/** Processes end while they are looked at. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

const findingOf = ({ findings }: TokenFacts, name: ProofName): Finding | undefined =>
  findings.find((each) => each.name === name);

test.skipIf(isWithout("softhsm2"))("SoftHSM is fit, and its KWP has another number", async () => {
  using token = softHsmToken();
  const facts = await probeToken(tokenToProbe(token), token.environment);
  expect(facts).toMatchObject({
    identity: { manufacturer: "SoftHSM project", label: token.label, serial: token.serial },
    kwp: KWP_OF_SOFTHSM,
    abilities: {
      payloadSuite3: true,
      signing: ["RSA_3072", "EC_P256", "EC_P384"],
      imports: [],
      cloneWith: ["sha1"],
      recallOld: true,
    },
    clockAheadMs: "none",
    unfit: [],
  });
  expect(findingOf(facts, "odd-lengths")).toMatchObject({ outcome: "refused" });
  expect(facts.proven).toContain("extractable-enforced");
});

test.skipIf(isWithout("nss"))("NSS is fit, and what it calls KWP twice is KWP once", async () => {
  using token = nssToken();
  const facts = await probeToken(tokenToProbe(token), token.environment);
  expect(facts).toMatchObject({
    kwp: KWP,
    abilities: {
      payloadSuite3: true,
      signing: ["RSA_3072"],
      imports: ["RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_256"],
      cloneWith: ["sha256", "sha1"],
    },
    unfit: [],
  });
  expect(facts.keyWrap.map(({ is }) => is)).toEqual(["kwp", "pkcs7-kw", "kw", "cbc-pad"]);
  expect(findingOf(facts, "extractable-enforced")).toMatchObject({ outcome: "refused" });
});

describe.skipIf(isWithout("nss"))("a probe of NSS with faults", () => {
  test("takes PKCS#7 padding for no KWP, and says what there is in its place", async () => {
    using token = nssToken();
    using shim = shimFor(token);
    shim.set({ hide: KWP });
    const facts = await probeToken(tokenToProbe(token, shim), shim.environment);
    expect(facts.kwp).toBeUndefined();
    expect(facts.unfit).toEqual([
      "AES key wrap with padding (RFC 5649): CKM_AES_KEY_WRAP_PAD (0x210A) is RFC 3394 over PKCS#7 padding; " +
        "CKM_AES_KEY_WRAP (0x2109) is key wrap without padding, RFC 3394; " +
        "CKM_AES_CBC_PAD (0x1085) is CBC with padding, without integrity.",
    ]);
    expect(capabilityLines(facts)).toContain("It cannot be a crypto unit:");
  });
});

describe.skipIf(isWithout("softhsm2"))("a probe of SoftHSM with faults", () => {
  let token: TestToken;
  let shim: Shim;
  beforeAll(() => {
    token = softHsmToken();
    return () => token[Symbol.dispose]();
  });
  beforeEach(() => {
    shim = shimFor(token);
    return () => shim[Symbol.dispose]();
  });
  const probeWith = (...faults: readonly Fault[]): Promise<TokenFacts> => {
    shim.set(...faults);
    return probeToken(tokenToProbe(token, shim), shim.environment, 20_000);
  };

  test("refuses a mechanism that wraps with one bit changed", async () => {
    const facts = await probeWith({ flip: "C_WrapKey" });
    expect(facts.kwp).toBeUndefined();
    expect(facts.keyWrap).toContainEqual({ mechanism: KWP_OF_SOFTHSM, is: "unknown", note: "" });
    expect(facts.unfit).toHaveLength(1);
    expect(facts.abilities).toMatchObject({ signing: [], imports: [], cloneWith: [] });
  });

  test("names the mechanism that is missing, and keeps what does not need it", async () => {
    const facts = await probeWith({ hide: AES_GCM });
    expect(findingOf(facts, "gcm")).toMatchObject({ outcome: "absent", note: "no CKM_AES_GCM (0x1087)" });
    expect(facts.unfit).toEqual([
      "AES-256-GCM: no CKM_AES_GCM (0x1087).",
      "AES-256-GCM by keys derived inside: no CKM_AES_GCM (0x1087).",
    ]);
    expect(facts.abilities).toMatchObject({ payloadSuite3: false, cloneWith: ["sha1"] });
  });

  test("is done with keys that come wrapped where the token takes none in clear", async () => {
    const facts = await probeWith({ fn: "C_CreateObject", rv: CKR_TEMPLATE_INCONSISTENT });
    expect(findingOf(facts, "known-keys")).toMatchObject({
      outcome: "proven",
      note: "not in clear (CKR_TEMPLATE_INCONSISTENT): wrapped by RSA-OAEP",
    });
    expect(facts).toMatchObject({ kwp: KWP_OF_SOFTHSM, unfit: [], abilities: { cloneWith: [] } });
  });

  test.for([
    ["C_DigestKey", "SHA-256 over keys (C_DigestKey)"],
    ["C_CopyObject", "Copies of keys (C_CopyObject)"],
    ["C_GenerateRandom", "Random numbers"],
    ["C_GenerateKey", "Makes keys that stay inside"],
    ["C_Sign", "HMAC-SHA-256"],
  ] as const)("takes a token without %s for unfit", async ([fn, title]) => {
    const { unfit } = await probeWith({ fn, rv: CKR_FUNCTION_NOT_SUPPORTED });
    expect(unfit).toContain(`${title}: ${fn} returned CKR_FUNCTION_NOT_SUPPORTED.`);
  });

  test("does not say of a token that was lost what it cannot do", async () => {
    const gone = { rv: CKR_DEVICE_REMOVED } as const;
    await expect(
      probeWith({ fn: "C_Sign", ...gone }, { fn: "C_GetSessionInfo", ...gone }),
    ).rejects.toMatchObject({
      code: "unit-unreachable",
      message: "C_Sign returned CKR_DEVICE_REMOVED",
    });
  });

  test("tries a PIN once", async () => {
    const wrong = tokenToProbe(token, { module: shim.module, pin: "not the PIN" });
    await expect(probeToken(wrong, shim.environment)).rejects.toMatchObject({ code: "unit-pin-wrong" });
    expect(shim.calls("C_Login")).toBe(1);
  });

  test("says what it asked of a module that crashes", async () => {
    await expect(probeWith({ fn: "C_DeriveKey", crash: true })).rejects.toMatchObject({
      code: "unit-unreachable",
      message:
        "the module ended its process (SIGSEGV); it was last asked for: AES-256-GCM by keys derived inside",
    });
  });

  test("ends a module that hangs", async () => {
    shim.set({ fn: "C_DeriveKey", hang: true });
    await expect(probeToken(tokenToProbe(token, shim), shim.environment, 3_000)).rejects.toMatchObject({
      code: "unit-unreachable",
      message: "the module was not done in 3 s; it was last asked for: AES-256-GCM by keys derived inside",
    });
  });

  test("shows the PIN to nobody who looks at its process", async () => {
    shim.set({ fn: "C_DeriveKey", hang: true });
    const probing = probeToken(tokenToProbe(token, shim), shim.environment, 5_000).catch(() => {});
    const shown = await untilShown("probe-process", shim.environment);
    expect(shown).not.toContain(token.pin);
    await probing;
  });

  test("leaves nothing in the token, whatever happens to it", async () => {
    await probeWith();
    await probeWith({ fn: "C_DigestKey", crash: true }).catch(() => {});
    await using user = await startTokenUser(token);
    expect(await user.use({ does: "tokenKeys" })).toEqual([{ rv: 0, value: [] }]);
  });

  test("takes no other token than the one that is named in everything", async () => {
    const other = { ...tokenToProbe(token, shim), model: "another model" };
    await expect(probeToken(other, shim.environment)).rejects.toMatchObject({
      code: "unit-unreachable",
      message: "no such token is present",
    });
    expect(shim.calls("C_Login")).toBe(0);
  });
});

describe.skipIf(isWithout("softhsm2"))("a probe of a token that lies", () => {
  let token: TestToken;
  beforeAll(() => {
    token = softHsmToken();
    return () => token[Symbol.dispose]();
  });
  const probeLiar = (lie: string): TokenFacts => {
    const { module, label, pin, environment } = token;
    const { stdout, stderr } = spawnSync(process.execPath, [LIAR, module, label, lie], {
      env: environment,
      input: pin,
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    return JSON.parse(stdout) as TokenFacts;
  };

  test.for([
    ["encrypts", "gcm", "the ciphertext is wrong"],
    ["encrypts", "ecb", "the ciphertext is wrong"],
    ["encrypts", "cbc-derivation", "the ciphertext is wrong"],
    ["decrypts anything", "gcm", "a changed ciphertext is accepted"],
    [
      "fails at what it cannot decrypt",
      "gcm",
      "a changed ciphertext is answered with CKR_DEVICE_ERROR, as if the token had failed",
    ],
    ["signs", "hmac", "the MAC is wrong"],
    ["signs", "sign-p256", "the signature by ECDSA_SHA_256 is wrong"],
    ["signs", "sign-rsa", "the signature by RSASSA_PSS_SHA_256 is wrong"],
    ["digests", "digest-key", "the digest of an AES key is wrong"],
    ["unwraps anything", "oaep-sha1", "a changed key from elsewhere is accepted"],
    ["keeps nothing sensitive", "session-keys", "a new KEK is not sensitive"],
    ["keeps nothing sensitive", "cbc-derivation", "a derived key is not sensitive"],
    ["shows values", "session-keys", "a new KEK can be read"],
    ["copies what may be wrapped", "session-copies", "a copy for use is extractable, against its template"],
    ["draws the same", "random", "the same 16 bytes come twice"],
  ] as const)("that %s: %s is refused", ([lie, name, note]) => {
    const facts = probeLiar(lie);
    expect(findingOf(facts, name)).toMatchObject({ outcome: "refused", note });
    expect(facts.unfit).not.toEqual([]);
  });

  test("that unwraps anything: its KWP is refused", () => {
    const { kwp, keyWrap } = probeLiar("unwraps anything");
    expect(kwp).toBeUndefined();
    expect(keyWrap).toContainEqual({
      mechanism: KWP_OF_SOFTHSM,
      is: "refused",
      note: "a wrapped key with one bit changed is accepted",
    });
  });

  test("that does not lie after all: it is fit", () => {
    expect(probeLiar("").unfit).toEqual([]);
  });
});

test.skipIf(isWithout("softhsm2"))("says that a module cannot be loaded", async () => {
  using token = softHsmToken();
  const place = { ...tokenToProbe(token), modulePath: "/nonexistent/module.so" };
  await expect(probeToken(place, {})).rejects.toMatchObject({ code: "unit-unreachable" });
  const withoutPin = { ...tokenToProbe(token), pinFile: "/nonexistent/pin" };
  await expect(probeToken(withoutPin, {})).rejects.toMatchObject({ code: "unit-unreachable" });
});
