import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isFailure } from "../../core/errors.ts";
import type { TokenLocation } from "./token-uri.ts";
import { MAX_URI_CHARACTERS, parseTokenUri, tokenUri } from "./token-uri.ts";

const MODULE = "module-path=/usr/lib/softhsm/libsofthsm2.so";

function refusal(uri: string): { field: string | undefined; message: string } {
  try {
    parseTokenUri(uri);
  } catch (error) {
    if (!isFailure(error, "invalid-request")) throw error;
    return { field: error.field, message: error.message };
  }
  throw new Error(`it took ${uri}`);
}

describe("a token URI", () => {
  it.each<[string, TokenLocation]>([
    [
      `pkcs11:token=kms?${MODULE}&pin-source=/etc/claviger/kms.pin`,
      {
        modulePath: "/usr/lib/softhsm/libsofthsm2.so",
        pinFile: "/etc/claviger/kms.pin",
        token: "kms",
      },
    ],
    // The examples of RFC 7512 §2.7 that name a token, with the module that Claviger wants.
    [
      "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;serial=4711?module-path=/mnt/libmypkcs11.so.1&pin-source=file:/etc/token_pin",
      {
        modulePath: "/mnt/libmypkcs11.so.1",
        pinFile: "/etc/token_pin",
        token: "The Software PKCS#11 Softtoken",
        manufacturer: "Snake Oil, Inc.",
        model: "1.0",
        serial: "4711",
      },
    ],
    ["pkcs11:slot-id=327?module-path=/mnt/lib.so", { modulePath: "/mnt/lib.so", slotId: 327 }],
    [
      "PKCS11:token=name%20with%20a%20small%20%C5%A1?module-path=%2Fmnt%2Flib.so",
      { modulePath: "/mnt/lib.so", token: "name with a small š" },
    ],
    ["pkcs11:token=a=b&c?module-path=/a?b|c", { modulePath: "/a?b|c", token: "a=b&c" }],
    [
      "pkcs11:token=a?module-path=/m&pin-source=file:///etc/a%2520pin",
      { modulePath: "/m", pinFile: "/etc/a pin", token: "a" },
    ],
    [
      "pkcs11:token=NSS%20Certificate%20DB?module-path=/m&x-init-reserved=configdir=%27sql:/db%27%20flags=",
      { modulePath: "/m", libraryParameters: "configdir='sql:/db' flags=", token: "NSS Certificate DB" },
    ],
  ])("is read as it is meant: %s", (uri, location) => {
    expect(parseTokenUri(uri)).toEqual(location);
  });

  it("ignores what it does not know in the query, and only there (RFC 7512 §3)", () => {
    expect(parseTokenUri(`pkcs11:token=a?x-colour=%zz&${MODULE}&x-colour=red`).token).toBe("a");
    expect(refusal(`pkcs11:token=a;x-colour=red?${MODULE}`).field).toBe("x-colour");
  });

  it.each([
    ["", "uri"],
    ["token=a", "uri"],
    ["pkcs11:", "uri"],
    [`pkcs11:?${MODULE}`, "uri"],
    [`pkcs11:manufacturer=SoftHSM;model=v2?${MODULE}`, "uri"],
    ["pkcs11:token=a", "module-path"],
    ["pkcs11:token=a?module-path=lib.so", "module-path"],
    ["pkcs11:token=a?module-path=", "module-path"],
    [`pkcs11:token=a?${MODULE}&${MODULE}`, "module-path"],
    [`pkcs11:token=a;token=a?${MODULE}`, "token"],
    [`pkcs11:token=?${MODULE}`, "token"],
    [`pkcs11:token=a b?${MODULE}`, "token"],
    [`pkcs11:token=a/b?${MODULE}`, "token"],
    [`pkcs11:token=ä?${MODULE}`, "token"],
    [`pkcs11:token=%e4?${MODULE}`, "token"],
    [`pkcs11:token=%C3?${MODULE}`, "token"],
    [`pkcs11:token=%4?${MODULE}`, "token"],
    [`pkcs11:token=%?${MODULE}`, "token"],
    [`pkcs11:token=a%00?${MODULE}`, "token"],
    [`pkcs11:token=${"a".repeat(33)}?${MODULE}`, "token"],
    [`pkcs11:serial=${"%C3%A4".repeat(9)}?${MODULE}`, "serial"],
    [`pkcs11:token=a;?${MODULE}`, "uri"],
    [`pkcs11:;token=a?${MODULE}`, "uri"],
    [`pkcs11:token?${MODULE}`, "uri"],
    [`pkcs11:slot-id=-1?${MODULE}`, "slot-id"],
    [`pkcs11:slot-id=0x1?${MODULE}`, "slot-id"],
    [`pkcs11:slot-id=9007199254740993?${MODULE}`, "slot-id"],
    [`pkcs11:token=a;object=key?${MODULE}`, "object"],
    [`pkcs11:token=a;id=%01?${MODULE}`, "id"],
    [`pkcs11:token=a;library-version=2?${MODULE}`, "library-version"],
    [`pkcs11:Token=a?${MODULE}`, "Token"],
    [`pkcs11:token=a?${MODULE}&pin-source=kms.pin`, "pin-source"],
    [`pkcs11:token=a?${MODULE}&pin-source=%7C/usr/bin/pin`, "pin-source"],
    [`pkcs11:token=a?${MODULE}&pin-source=|/usr/bin/pin`, "pin-source"],
    [`pkcs11:token=a?${MODULE}&pin-source=https://example.net/pin`, "pin-source"],
    [`pkcs11:token=a?${MODULE}&pin-source=file:pin`, "pin-source"],
    [`pkcs11:token=a?${MODULE}&pin-source=file://other/etc/pin`, "pin-source"],
    [`pkcs11:token=a?${MODULE}&pin-source=file:/etc/pin%23a`, "pin-source"],
    [`pkcs11:token=a?${MODULE}&pin-source=file:/etc/pin%2500`, "pin-source"],
    [`pkcs11:token=a?${MODULE}&pin-source=file:/etc/pin%25zz`, "pin-source"],
    [`pkcs11:token=a?${MODULE}&module-name=softhsm2`, "module-name"],
  ])("is refused by the attribute that is at fault: %s", (uri, field) => {
    expect(refusal(uri)).toEqual({
      field,
      message: expect.stringContaining(field === "uri" ? "URI" : field),
    });
  });

  it("is refused with a PIN in it, which the message does not repeat", () => {
    const { field, message } = refusal(`pkcs11:token=a?pin-value=hunter2&${MODULE}`);
    expect(field).toBe("pin-value");
    expect(message).toBe(
      "pin-value in the PKCS#11 URI is refused: a PIN belongs into a file of its own, which pin-source names",
    );
  });

  it("has a bounded length", () => {
    const uri = (length: number) => `pkcs11:token=a?${MODULE}&x=`.padEnd(length, "a");
    expect(parseTokenUri(uri(MAX_URI_CHARACTERS)).token).toBe("a");
    expect(refusal(uri(MAX_URI_CHARACTERS + 1)).field).toBe("uri");
  });
});

describe("a token location", () => {
  const text = (maxBytes: number) =>
    fc
      .string({ unit: "binary", minLength: 1, maxLength: maxBytes })
      .filter((value) => !/\p{Cc}/u.test(value) && Buffer.byteLength(value) <= maxBytes);
  const path = text(200).map((value) => `/${value}`);
  const location: fc.Arbitrary<TokenLocation> = fc
    .record(
      {
        modulePath: path,
        libraryParameters: text(100),
        pinFile: path,
        token: text(32),
        serial: text(16),
        slotId: fc.maxSafeNat(),
        manufacturer: text(32),
        model: text(16),
      },
      { requiredKeys: ["modulePath"] },
    )
    .filter(({ token, serial, slotId }) => [token, serial, slotId].some((value) => value !== undefined));

  it("survives the way into a URI and back", () => {
    fc.assert(
      fc.property(location, (given) => {
        expect(parseTokenUri(tokenUri(given))).toEqual(given);
      }),
    );
  });

  it("is printed in characters that every shell and configuration file takes, in a settled order", () => {
    expect(
      tokenUri({
        modulePath: "/usr/lib/p11.so",
        pinFile: "/etc/a pin",
        model: "v2",
        serial: "1;2",
        token: "ä b",
      }),
    ).toBe(
      "pkcs11:token=%C3%A4%20b;serial=1%3B2;model=v2?module-path=/usr/lib/p11.so&pin-source=/etc/a%20pin",
    );
    fc.assert(
      fc.property(location, (given) => {
        expect(tokenUri(given)).toMatch(/^pkcs11:[!-~]+$/);
      }),
    );
  });

  it("is what a URI yields, or the URI is refused: nothing else comes of any text", () => {
    const piece = fc.oneof(
      fc.constantFrom(
        "token=",
        "serial=",
        "slot-id=",
        "?",
        "&",
        ";",
        "module-path=/m",
        "pin-source=",
        "file:/",
        "%",
        "%2F",
        "|",
      ),
      fc.string({ unit: "binary", maxLength: 5 }),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const uri = `pkcs11:${pieces.join("")}`;
        try {
          const found = parseTokenUri(uri);
          expect(parseTokenUri(tokenUri(found))).toEqual(found);
        } catch (error) {
          expect(isFailure(error, "invalid-request")).toBe(true);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
