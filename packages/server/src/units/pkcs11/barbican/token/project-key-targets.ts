import type { ProjectKeyTarget } from "../../../../core/barbican/project-key.ts";
import { Failure } from "../../../../core/errors.ts";
import type { ObjectHandle } from "../../token/module.ts";
import { TokenError } from "../../token/module.ts";
import type { TokenSession } from "../../token/token-session.ts";
import type { WrappedBytes } from "../packed-project-keys.ts";
import type { LabelledKey } from "../project-key-requests.ts";
import type { KeyComparison, KeyPairs } from "./key-comparison.ts";
import type { KeyWrapping } from "./key-wrapping.ts";
import type { LabelledKeys } from "./labelled-keys.ts";

/** Under what project KEKs are wrapped, and that the token really does it: that it lists a mechanism proves nothing. */
export class ProjectKeyTargets {
  readonly #token: TokenSession;
  readonly #keys: LabelledKeys;
  readonly #wrapping: KeyWrapping;
  readonly #comparison: KeyComparison;
  #proved = "";

  constructor(token: TokenSession, keys: LabelledKeys, wrapping: KeyWrapping, comparison: KeyComparison) {
    this.#token = token;
    this.#keys = keys;
    this.#wrapping = wrapping;
    this.#comparison = comparison;
  }

  /**
   * With a key that is made for it, once for a target until `forget`.
   * @throws Failure `barbican-key-missing`, `barbican-mechanism-unsuitable`.
   */
  prove(target: ProjectKeyTarget): void {
    const name = JSON.stringify(target);
    if (name === this.#proved) return;
    const { mkekLabel, hmacLabel, mechanism } = target;
    this.#handle({ use: "mkek", label: mkekLabel });
    this.#handle({ use: "hmac", label: hmacLabel });
    try {
      this.#comparison.comparing((pairs) => this.wrap(pairs.keep(this.#wrapping.newKey()), target, pairs));
    } catch (error) {
      if (!(error instanceof TokenError) || !["request", "blob"].includes(error.rule.failed)) throw error;
      throw new Failure(
        "barbican-mechanism-unsuitable",
        `the token ${this.#token.token.label} does not wrap by ${mechanism} under ${mkekLabel} and sign by ${hmacLabel}: ${error.message}`,
      );
    }
    this.#proved = name;
  }

  forget(): void {
    this.#proved = "";
  }

  /**
   * Wrapped and signed, and opened again: `pairs` has it beside the key, to see that it is the same.
   * @throws TokenError where the token refuses.
   */
  wrap(
    key: ObjectHandle,
    { mkekLabel, hmacLabel, mechanism, generatesIv }: ProjectKeyTarget,
    pairs: KeyPairs,
  ): WrappedBytes {
    const wrapping = this.#wrapping;
    const isIvNeeded = generatesIv || mechanism === "CKM_AES_CBC_PAD";
    const iv = isIvNeeded ? wrapping.newIv(mechanism) : null;
    const mkek = this.#handle({ use: "mkek", label: mkekLabel });
    const wrapped = wrapping.wrap(mkek, mechanism, iv, key);
    pairs.add(key, pairs.keep(wrapping.unwrap(mkek, mechanism, iv, wrapped)));
    const hmacKey = this.#handle({ use: "hmac", label: hmacLabel });
    return { iv, wrapped, hmac: wrapping.sign(hmacKey, iv ? Buffer.concat([iv, wrapped]) : wrapped) };
  }

  #handle(key: LabelledKey): ObjectHandle {
    const found = this.#keys.get(key);
    if (typeof found !== "string") return found;
    const how = found === "missing" ? "no key" : "more than one key";
    const what = key.use === "mkek" ? "an MKEK (CKK_AES)" : `an HMAC key (${this.#keys.hmacKeyType})`;
    throw new Failure(
      "barbican-key-missing",
      `the token ${this.#token.token.label} has ${how} labelled ${key.label} that is ${what}`,
    );
  }
}
