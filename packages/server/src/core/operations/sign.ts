import type { MessageType, SignatureAlgorithm } from "../crypto/signature-algorithms.ts";
import { algorithmsOf, messageRefusal } from "../crypto/signature-algorithms.ts";
import { Failure } from "../errors.ts";
import { requireSigningSpec } from "../hierarchy/key-specs.ts";
import { requireKeyState } from "../hierarchy/key-states.ts";
import type { KeyRecord } from "../hierarchy/records.ts";
import type { PayloadPorts } from "./encrypt.ts";

export interface Signature {
  readonly signature: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
  readonly keyVersion: number;
}

/**
 * Signs a message with the current version of a key, inside a unit.
 * @throws Failure of a key that is not enabled (key-states.ts), `key-usage-differs`, `algorithm-refused`.
 */
export async function sign(
  ports: PayloadPorts,
  input: {
    readonly key: KeyRecord;
    readonly message: Uint8Array;
    readonly messageType?: MessageType | undefined;
    readonly algorithm?: SignatureAlgorithm | undefined;
  },
): Promise<Signature> {
  const { key, message, messageType = "RAW" } = input;
  requireKeyState(key, "sign");
  const spec = requireSigningSpec(key);
  const algorithm = algorithmFor(key, input.algorithm);
  requireMessage(algorithm, messageType, message);
  const version = await ports.keys.version(key, key.currentVersion);
  const signature = await ports.materials.withSigningKey(version, spec, ({ unit, handle }) =>
    unit.signing.sign(handle, algorithm, message, messageType),
  );
  return { signature, algorithm, keyVersion: key.currentVersion };
}

/** @throws Failure `algorithm-refused` for a digest that is none, or of an algorithm that signs messages only. */
export function requireMessage(algorithm: SignatureAlgorithm, type: MessageType, message: Uint8Array): void {
  const refused = messageRefusal(algorithm, type, message);
  if (refused !== undefined) throw new Failure("algorithm-refused", refused, { field: "messageType" });
}

/**
 * The algorithm that was asked for, or the usual one of the key.
 * @throws Failure `key-usage-differs`, `algorithm-refused` for one that is not of this kind of key.
 */
export function algorithmFor(key: KeyRecord, asked: SignatureAlgorithm | undefined): SignatureAlgorithm {
  const spec = requireSigningSpec(key);
  const known = algorithmsOf(spec);
  const algorithm = asked ?? known[0];
  if (algorithm !== undefined && known.includes(algorithm)) return algorithm;
  throw new Failure("algorithm-refused", `a key of ${spec} signs with ${known.join(", ")}`, {
    field: "algorithm",
  });
}
