import fc from "fast-check";
import { describe, expect, it } from "vitest";
import file from "../../../../../test/vectors/barbican-vectors.json" with { type: "json" };
import { parsePluginMeta, pluginMeta } from "./plugin-meta.ts";
import { KEY_WRAP_MECHANISMS } from "./project-key.ts";
import type { KeyWrapMechanism, WrappedProjectKey } from "./project-key.ts";

const { vectors } = file;

const [first = "", second = "", old = ""] = vectors.map((vector) => vector.plugin_meta);

describe("plugin_meta", () => {
  it.each([first, second])("of Barbican is read, and written to the byte: %#", (text) => {
    const key = parsePluginMeta(text) as WrappedProjectKey;
    expect(key).toMatchObject({
      iv: null,
      mkekLabel: "vmkek",
      hmacLabel: "vhmac",
      mechanism: "CKM_AES_KEY_WRAP_PAD",
    });
    expect([key.wrapped.length, key.hmac.length]).toEqual([40, 32]);
    expect(pluginMeta(key)).toBe(text);
  });

  it("without a mechanism is wrapped by CKM_AES_CBC_PAD, and names it when it is written", () => {
    const key = parsePluginMeta(old) as WrappedProjectKey;
    expect(key.mechanism).toBe("CKM_AES_CBC_PAD");
    expect([key.iv?.length, key.wrapped.length]).toEqual([16, 48]);
    expect(pluginMeta(key)).toBe(`${old.slice(0, -1)},"key_wrap_mechanism":"CKM_AES_CBC_PAD"}`);
  });

  it("leaves ASCII only, as json.dumps does", () => {
    const key = parsePluginMeta(first) as WrappedProjectKey;
    expect(pluginMeta({ ...key, mkekLabel: 'Schlüssel\u007f"\n😀' })).toContain(
      String.raw`"mkek_label":"Schl\u00fcssel\u007f\"\n\ud83d\ude00"`,
    );
  });

  it("is read as it was written, whatever is in it", () => {
    const bytes = fc.uint8Array({ maxLength: 64 });
    const key = fc.record<WrappedProjectKey>({
      iv: fc.option(bytes),
      wrapped: bytes,
      hmac: bytes,
      mkekLabel: fc.string({ minLength: 1, unit: "binary" }),
      hmacLabel: fc.string({ minLength: 1, unit: "grapheme" }),
      mechanism: fc.constantFrom(...(Object.keys(KEY_WRAP_MECHANISMS) as KeyWrapMechanism[])),
    });
    fc.assert(
      fc.property(key, (given) => {
        expect(parsePluginMeta(pluginMeta(given))).toEqual(given);
      }),
    );
  });

  it.each([
    ["gAAAAABh", "it is no JSON"],
    ["[]", "it is no JSON object"],
    ["null", "it is no JSON object"],
    [first.replace('"iv":null', '"iv":"AAAA","new":1'), "it has a member that is not known"],
    [first.replace('"iv":null,', ""), "iv is neither base64 nor null"],
    [first.replace('"iv":null', '"iv":"AAA"'), "iv is neither base64 nor null"],
    [first.replace('"iv":null', '"iv":" AAAA"'), "iv is neither base64 nor null"],
    [first.replace('"iv":null', '"iv":"AAB="'), "iv is neither base64 nor null"],
    [first.replace('"iv":null', '"iv":"AA-_"'), "iv is neither base64 nor null"],
    [first.replace("wrapped_key", "hmac"), "wrapped_key is not base64"],
    [first.replace(/"hmac":"[^"]*"/, '"hmac":5'), "hmac is not base64"],
    [first.replace('"vmkek"', "null"), "mkek_label is not text"],
    [first.replace('"vhmac"', '""'), "hmac_label is not text"],
    [
      first.replace("CKM_AES_KEY_WRAP_PAD", "CKM_AES_GCM"),
      'key_wrap_mechanism "CKM_AES_GCM" is not one that wraps keys',
    ],
    [
      first.replace("CKM_AES_KEY_WRAP_PAD", "toString"),
      'key_wrap_mechanism "toString" is not one that wraps keys',
    ],
    [
      first.replace('"CKM_AES_KEY_WRAP_PAD"', "null"),
      "key_wrap_mechanism of no name is not one that wraps keys",
    ],
  ])("is refused where it is not what Barbican writes: %#", (text, refused) => {
    expect(parsePluginMeta(text)).toEqual({ refused });
  });
});
