import { createSecretKey, hkdfSync } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { TAG_BYTES } from "../../core/crypto/gcm.ts";
import { PAYLOAD_SUITES, PayloadKey } from "../../core/crypto/payload-suite.ts";
import type { Anchors } from "../../core/unit/anchors.ts";
import { ANCHORS_LIMIT_BYTES, decodeAnchors, encodeAnchors } from "../../core/unit/anchors.ts";
import { Failure, isFailure } from "../../core/errors.ts";
import { readMirrored, writeMirrored } from "./mirrored-file.ts";
import type { UnitState } from "./unit-state.ts";

/**
 * The file of a software unit's anchors, beside its sealed file, which holds the master keys and is not written anew each
 * second. Two halves (mirrored-file.ts), each:
 *   header  magic "CLVGANCR" (8) ‖ format 1
 *   state   nonce (16) ‖ ciphertext (8192) ‖ tag (16): payload suite 1 under the anchor key, header ‖ address as AAD
 * What is sealed is padded with blanks to its one length. The anchor key is HKDF-SHA-256 (RFC 5869) of the unit's private
 * key, which only the sealed file has: another unit, or this one made anew at its address, does not open it.
 */
const HEADER = Buffer.concat([Buffer.from("CLVGANCR", "latin1"), Uint8Array.of(1)]);
const KEY_LABEL = "claviger software unit anchors 1";
const SUITE = PAYLOAD_SUITES[1];
const HALF_BYTES = HEADER.byteLength + SUITE.nonceBytes + ANCHORS_LIMIT_BYTES + TAG_BYTES;
const BLANK = 0x20;

/** Where the anchors of the unit are whose sealed file is `path`. */
export function anchorsPath(path: string): string {
  return `${path}.anchors`;
}

export class AnchorFile {
  readonly path: string;
  readonly #key: PayloadKey;
  readonly #aad: Uint8Array;

  constructor(path: string, unit: Pick<UnitState, "address" | "clonePrivateKey">) {
    this.path = path;
    this.#key = anchorKey(unit.clonePrivateKey);
    this.#aad = Buffer.concat([HEADER, Buffer.from(unit.address, "utf8")]);
  }

  /** What is in it; `absent`, or `refused` when it is not what this unit has written. @throws Failure `unit-unreachable`. */
  async read(): Promise<Anchors | "absent" | "refused"> {
    try {
      for (const half of await readMirrored(this.path, HALF_BYTES)) {
        const anchors = this.#open(half);
        if (anchors !== "refused") return anchors;
      }
    } catch (error) {
      if (isFailure(error, "unit-missing")) return "absent";
      if (!isFailure(error, "unit-file-tampered")) throw error;
    }
    return "refused";
  }

  /** @throws Failure `store-full`, `store-read-only`, `unit-unreachable`, `invalid-request`. */
  async write(anchors: Anchors): Promise<void> {
    const encoded = encodeAnchors(anchors);
    if (encoded.byteLength > ANCHORS_LIMIT_BYTES)
      throw new Failure("invalid-request", `anchors of more than ${ANCHORS_LIMIT_BYTES} bytes`);
    const padded = new Uint8Array(ANCHORS_LIMIT_BYTES).fill(BLANK);
    padded.set(encoded);
    const { nonce, sealed } = SUITE.seal(this.#key, padded, this.#aad);
    await writeMirrored(this.path, Buffer.concat([HEADER, nonce, sealed]));
  }

  #open(half: Uint8Array): Anchors | "refused" {
    const nonceEnd = HEADER.byteLength + SUITE.nonceBytes;
    if (!HEADER.equals(half.subarray(0, HEADER.byteLength))) return "refused";
    const message = { nonce: half.subarray(HEADER.byteLength, nonceEnd), sealed: half.subarray(nonceEnd) };
    const opened = SUITE.open(this.#key, message, this.#aad);
    if (opened === "refused") return opened;
    try {
      return decodeAnchors(opened);
    } catch (error) {
      if (error instanceof TypeError) return "refused"; // kept by a newer release
      throw error;
    }
  }
}

function anchorKey(privateKey: KeyObject): PayloadKey {
  const der = privateKey.export({ format: "der", type: "pkcs8" });
  const bytes = Buffer.from(hkdfSync("sha256", der, new Uint8Array(), KEY_LABEL, 32));
  der.fill(0);
  const key = new PayloadKey(createSecretKey(bytes));
  bytes.fill(0);
  return key;
}
