import type {
  ProjectKeyRefusal,
  ProjectKeyTarget,
  WrappedProjectKey,
} from "../../../../core/barbican/project-key.ts";
import { timingSafeEqual } from "../../../../core/crypto/timing-safe-equal.ts";
import type { ObjectHandle } from "../../token/module.ts";
import { refusable } from "../../token/refusable.ts";
import type { TokenSession } from "../../token/token-session.ts";
import type { Refused, WrappedBytes } from "../packed-project-keys.ts";
import type { LabelledKey } from "../project-key-requests.ts";
import type { KeyComparison, KeyPairs } from "./key-comparison.ts";
import { isRequestRefused } from "./key-wrapping.ts";
import type { KeyWrapping } from "./key-wrapping.ts";
import type { LabelledKeys } from "./labelled-keys.ts";
import type { ProjectKeyTargets } from "./project-key-targets.ts";

const REFUSED_FOR = {
  mkek: { missing: "mkek-missing", ambiguous: "mkek-ambiguous" },
  hmac: { missing: "hmac-key-missing", ambiguous: "hmac-key-ambiguous" },
} as const satisfies Record<LabelledKey["use"], Record<string, ProjectKeyRefusal>>;

/** What a token says of an inside that is no AES key: CKR_KEY_SIZE_RANGE, CKR_TEMPLATE_INCOMPLETE, CKR_TEMPLATE_INCONSISTENT. */
const NO_AES_KEY: ReadonlySet<number> = new Set([0x62, 0xd0, 0xd1]);

/** So many keys are compared at once. Twice as many objects are open then: more than that, small tokens do not hold. */
const GROUP = 16;

/**
 * Project KEKs of a Barbican inside the token. Each is a row of its own: what the token refuses of one is told of that one,
 * and what is trouble with the token is thrown, and ends the batch. Nothing that is opened stays open.
 *
 * The order: the HMAC is checked before anything is unwrapped; what was wrapped anew is opened and compared before it leaves.
 */
export class ProjectKeys {
  readonly #token: TokenSession;
  readonly #keys: LabelledKeys;
  readonly #wrapping: KeyWrapping;
  readonly #targets: ProjectKeyTargets;
  readonly #comparison: KeyComparison;

  constructor(
    token: TokenSession,
    keys: LabelledKeys,
    wrapping: KeyWrapping,
    targets: ProjectKeyTargets,
    comparison: KeyComparison,
  ) {
    this.#token = token;
    this.#keys = keys;
    this.#wrapping = wrapping;
    this.#targets = targets;
    this.#comparison = comparison;
  }

  /** @throws Failure `barbican-key-missing`, `barbican-mechanism-unsuitable` of the target. */
  rewrap(keys: readonly WrappedProjectKey[], target: ProjectKeyTarget): readonly (WrappedBytes | Refused)[] {
    this.#targets.prove(target);
    const groups = Array.from({ length: Math.ceil(keys.length / GROUP) }, (_, i) =>
      keys.slice(i * GROUP, (i + 1) * GROUP),
    );
    return groups.flatMap((group) =>
      this.#comparison.comparing((pairs) => group.map((key) => this.#move(key, target, pairs))),
    );
  }

  verify(keys: readonly WrappedProjectKey[]): readonly ("opened" | Refused)[] {
    return keys.map((key) => this.use(key, () => "opened"));
  }

  /** What comes of a key that is opened for so long, or why it does not open. */
  use<Result>(key: WrappedProjectKey, use: (opened: ObjectHandle) => Result): Result | Refused {
    const opened = this.#open(key);
    return "refused" in opened ? opened : this.#wrapping.using(opened, use);
  }

  #move(key: WrappedProjectKey, target: ProjectKeyTarget, pairs: KeyPairs): WrappedBytes | Refused {
    const opened = this.#open(key);
    if ("refused" in opened) return opened;
    try {
      return this.#targets.wrap(pairs.keep(opened), target, pairs);
    } catch (error) {
      // The target was proved with a key of the usual length: it is this one that the token does not wrap.
      if (isRequestRefused(error)) return { refused: "mechanism-unsupported" };
      throw error;
    }
  }

  #open(key: WrappedProjectKey): ObjectHandle | Refused {
    const refused = this.#hmacRefusal(key);
    if (refused) return { refused };
    const mkek = this.#keys.get({ use: "mkek", label: key.mkekLabel });
    if (typeof mkek === "string") return { refused: REFUSED_FOR.mkek[mkek] };
    try {
      const opened = refusable(
        this.#token,
        () => this.#control(mkek, key),
        () => this.#wrapping.unwrap(mkek, key.mechanism, key.iv, key.wrapped),
      );
      return opened === "refused" ? { refused: "not-opened" } : opened;
    } catch (error) {
      if (!isRequestRefused(error)) throw error;
      return { refused: NO_AES_KEY.has(error.code) ? "not-opened" : "mechanism-unsupported" };
    }
  }

  /** Over the IV and what is wrapped, or over that alone: without an IV, and in rows of before 2016. */
  #hmacRefusal({ iv, wrapped, hmac, hmacLabel }: WrappedProjectKey): ProjectKeyRefusal | undefined {
    const key = this.#keys.get({ use: "hmac", label: hmacLabel });
    if (typeof key === "string") return REFUSED_FOR.hmac[key];
    const forms = iv ? [Buffer.concat([iv, wrapped]), wrapped] : [wrapped];
    try {
      const isRight = forms.some((form) => timingSafeEqual(this.#wrapping.sign(key, form), hmac));
      return isRight ? undefined : "hmac-mismatch";
    } catch (error) {
      if (isRequestRefused(error)) return "mechanism-unsupported";
      throw error;
    }
  }

  /** The same with a key that is good. It says nothing where the token opens what it does not make any more. */
  #control(mkek: ObjectHandle, { mechanism, iv }: WrappedProjectKey): void {
    const wrapping = this.#wrapping;
    try {
      wrapping.using(wrapping.newKey(), (key) => {
        const wrapped = wrapping.wrap(mkek, mechanism, iv, key);
        wrapping.using(wrapping.unwrap(mkek, mechanism, iv, wrapped), () => undefined);
      });
    } catch (error) {
      if (!isRequestRefused(error)) throw error;
    }
  }
}
