import { describe, expect, it } from "vitest";
import file from "../../../../../test/vectors/barbican-vectors.json" with { type: "json" };
import { parseSealedSecret } from "./secret-meta.ts";

/** The vector of an old row has no secret. */
interface Vector {
  readonly cypher_text?: string;
  readonly kek_meta_extended?: string;
}

const vectors = file.vectors as readonly Vector[];

const [{ cypher_text: text = "", kek_meta_extended: meta = "" } = {}] = vectors;

describe("a secret's row", () => {
  it.each([
    [0, "CKM_AES_GCM", 12, 36],
    [1, "CKM_AES_CBC", 16, 32],
  ] as const)("is read as Barbican wrote it: %i", (at, mechanism, ivBytes, ciphertextBytes) => {
    const secret = parseSealedSecret(vectors[at]?.cypher_text ?? "", vectors[at]?.kek_meta_extended ?? null);
    expect(secret).toMatchObject({ mechanism });
    expect("iv" in secret && [secret.iv.length, secret.ciphertext.length]).toEqual([
      ivBytes,
      ciphertextBytes,
    ]);
  });

  it.each([
    [`${text}\n`, meta, "cypher_text is not base64"],
    [text, null, "kek_meta_extended is missing"],
    [text, "{", "of kek_meta_extended: it is no JSON"],
    [text, '{"iv":null,"mechanism":"CKM_AES_GCM"}', "iv is not base64"],
    [
      text,
      meta.replace("CKM_AES_GCM", "CKM_AES_CTR"),
      'mechanism "CKM_AES_CTR" is not one that encrypts secrets',
    ],
    [text, meta.replace(/,"mechanism":"[^"]*"/, ""), "mechanism of no name is not one that encrypts secrets"],
  ])("is refused where it is not: %#", (cypherText, kekMetaExtended, refused) => {
    expect(parseSealedSecret(cypherText, kekMetaExtended)).toEqual({ refused });
  });
});
