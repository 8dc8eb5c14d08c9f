import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isFailure } from "../../core/errors.ts";
import { reveal } from "../../core/secret/secret-bytes.ts";
import type { BarbicanConfig } from "./barbican-config.ts";
import { readBarbicanConfig } from "./barbican-config.ts";

let folder: string;
let path: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "claviger-barbican-conf-"));
  path = join(folder, "barbican.conf");
});
afterAll(() => rmSync(folder, { recursive: true }));

const LEAST = {
  library_path: "/usr/lib/softhsm/libsofthsm2.so",
  login: "12345678",
  mkek_label: "mkek_1",
  hmac_label: "hmac_1",
};
const URL = "mysql+pymysql://barbican:geheim@db/barbican";

/** Of a file with the least that is needed, and more, or less where a value is undefined. */
function read(
  options: Readonly<Record<string, string | undefined>> = {},
  more = `[database]\nconnection = ${URL}\n`,
): BarbicanConfig {
  const lines = Object.entries({ ...LEAST, ...options }).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key} = ${value}`],
  );
  writeFileSync(path, `[p11_crypto_plugin]\n${lines.join("\n")}\n${more}`);
  return readBarbicanConfig([path]);
}

function complaint(options: Readonly<Record<string, string | undefined>>): string {
  try {
    read(options);
  } catch (error) {
    if (isFailure(error, "barbican-config-unsuitable")) return error.message.replaceAll(path, "FILE");
    throw error;
  }
  return "none";
}

describe("barbican.conf", () => {
  it("has the defaults of Barbican", () => {
    const { pin, ...config } = read();
    expect(config).toEqual({
      token: { modulePath: "/usr/lib/softhsm/libsofthsm2.so", slotId: 1 },
      current: {
        mkekLabel: "mkek_1",
        hmacLabel: "hmac_1",
        mechanism: "CKM_AES_CBC_PAD",
        generatesIv: true,
      },
      hmacKeyType: "CKK_AES",
      hmacMechanism: "CKM_SHA256_HMAC",
      databaseUrl: URL,
      pkekLengthBytes: 32,
    });
    expect(Buffer.from(reveal(pin)).toString()).toBe("12345678");
  });

  it.each([
    ["CKM_AES_KEY_WRAP_KWP", "False", false],
    ["CKM_AES_KEY_WRAP_KWP", undefined, true],
    ["CKM_AES_KEY_WRAP_PAD", "off", false],
    ["CKM_AES_KEY_WRAP_PAD", "yes", true],
    ["CKM_AES_CBC_PAD", "0", true],
  ])("says how project keys are wrapped: by %s, with an IV: %s", (mechanism, iv, generatesIv) => {
    const { current } = read({ key_wrap_mechanism: mechanism, key_wrap_generate_iv: iv });
    expect(current).toMatchObject({ mechanism, generatesIv });
  });

  it.each([
    [{}, { slotId: 1 }],
    [{ slot_id: "1483686139" }, { slotId: 1_483_686_139 }],
    [{ slot_id: "" }, { slotId: 1 }],
    [{ token_labels: "one, two ,", slot_id: "3" }, { labels: ["one", "two"] }],
    [{ token_labels: "", slot_id: "3" }, { slotId: 3 }],
    [{ token_label: "old" }, { labels: ["old"] }],
    [{ token_labels: "one,old", token_label: "old" }, { labels: ["one", "old"] }],
    [{ token_labels: "one", token_label: "old" }, { labels: ["one", "old"] }],
    [{ token_serial_number: "6bd6", token_labels: "one" }, { serial: "6bd6" }],
    [{ token_serial_number: "", token_labels: "one" }, { labels: ["one"] }],
  ])("names the token by serial number, label or slot, in this order: %j", (options, expected) => {
    const { modulePath, ...token } = read(options).token;
    expect(modulePath).toBe(LEAST.library_path);
    expect(token).toEqual(expected);
  });

  it("knows the names of other releases", () => {
    expect(read({ hmac_keywrap_mechanism: "CKM_AES_MAC" }).hmacMechanism).toBe("CKM_AES_MAC");
    expect(
      read({ hmac_keywrap_mechanism: "CKM_AES_MAC", hmac_mechanism: "CKM_SHA256_HMAC" }).hmacMechanism,
    ).toBe("CKM_SHA256_HMAC");
    expect(read({ hmac_key_type: "CKK_GENERIC_SECRET" }).hmacKeyType).toBe("CKK_GENERIC_SECRET");
    expect(read({ pkek_length: "16" }).pkekLengthBytes).toBe(16);
  });

  it.each(["[DEFAULT]\nsql_connection", "[database]\nsql_connection", "[sql]\nconnection"])(
    "finds the database in %j",
    (place) => {
      expect(read({}, `${place} = ${URL}`).databaseUrl).toBe(URL);
    },
  );

  it("takes the name of today where a file has both", () => {
    const both = `[DEFAULT]\nsql_connection = sqlite:////old\n[database]\nconnection = ${URL}`;
    expect(read({}, both).databaseUrl).toBe(URL);
  });

  it.each([
    [{ library_path: undefined }, "FILE: [p11_crypto_plugin] library_path is required."],
    [{ login: "" }, "FILE: [p11_crypto_plugin] login is required."],
    [{ mkek_label: undefined }, "FILE: [p11_crypto_plugin] mkek_label is required."],
    [{ hmac_label: undefined }, "FILE: [p11_crypto_plugin] hmac_label is required."],
    [{ slot_id: "one" }, "FILE: [p11_crypto_plugin] slot_id must be a whole number."],
    [{ slot_id: "-1" }, "FILE: [p11_crypto_plugin] slot_id must be a whole number."],
    [{ pkek_length: "33" }, "FILE: [p11_crypto_plugin] pkek_length must be one of 16, 24, 32."],
    [
      { hmac_keywrap_mechanism: "CKM_MD5" },
      "FILE: [p11_crypto_plugin] hmac_keywrap_mechanism must be one of CKM_SHA256_HMAC, CKM_AES_MAC.",
    ],
    [
      { key_wrap_mechanism: "CKM_AES_GCM" },
      "FILE: [p11_crypto_plugin] key_wrap_mechanism must be one of CKM_AES_CBC_PAD, CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_KWP.",
    ],
    [
      { key_wrap_generate_iv: "maybe" },
      "FILE: [p11_crypto_plugin] key_wrap_generate_iv must be one of true, 1, on, yes, false, 0, off, no.",
    ],
    [
      { hmac_key_type: "CKK_DES" },
      "FILE: [p11_crypto_plugin] hmac_key_type must be one of CKK_AES, CKK_GENERIC_SECRET, CKK_SHA256_HMAC.",
    ],
  ])("is refused by the option at fault: %j", (options, expected) => {
    expect(complaint(options)).toBe(expected);
  });

  it("without a database is refused", () => {
    expect(() => read({}, "")).toThrow(`${path}: [database] connection is required.`);
  });
});
