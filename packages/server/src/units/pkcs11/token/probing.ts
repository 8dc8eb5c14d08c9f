import type { Finding, KeyWrapFinding } from "../token-facts.ts";
import { KEY_WRAP_KINDS } from "../token-facts.ts";
import { mechanismName } from "../mechanism-name.ts";
import type { KnownKeys } from "./known-keys.ts";
import { findKnownKeys, generateRsaPair } from "./known-keys.ts";
import type { Pkcs11Module, Session } from "./module.ts";
import { TokenError } from "./module.ts";
import type { Bench, KeyPair, Proof } from "./proof.ts";
import { Lacking, WrongAnswer } from "./proof.ts";
import { classifyKeyWrap } from "./prove-key-wrap.ts";
import type { TokenSession } from "./token-session.ts";
import { TokenTrouble } from "../host/outcomes.ts";

/**
 * A probe under way: what has been found so far, and what later proofs use of it. Each proof has a session of its own, and
 * what it makes there goes with it.
 */
export class Probing {
  readonly findings: Finding[] = [];
  readonly listed: ReadonlySet<number>;
  keyWrap: readonly KeyWrapFinding[] = [];
  kwp: number | undefined;
  readonly #token: TokenSession;
  readonly #onStep: (title: string) => void;
  #knownKeys: KnownKeys | undefined;
  #rsaPair: KeyPair | undefined;

  constructor(token: TokenSession, onStep: (title: string) => void) {
    this.#token = token;
    this.#onStep = onStep;
    this.listed = new Set(token.module.mechanisms(token.token.slot));
  }

  findKnownKeys(): void {
    this.examine({
      name: "known-keys",
      title: "Takes keys whose value is known",
      mechanisms: [],
      run: ({ module, session, rsaPair }) => {
        const { put, remark } = findKnownKeys({ module, rsaPair }, session);
        this.#knownKeys = put;
        return remark;
      },
    });
  }

  findKeyWrap(): void {
    this.examine({
      name: "key-wrap",
      title: "AES key wrap with padding (RFC 5649)",
      mechanisms: [],
      run: (bench) => {
        this.keyWrap = classifyKeyWrap(bench, this.listed);
        this.kwp = this.keyWrap.find(({ is }) => is === "kwp")?.mechanism;
        if (this.kwp === undefined) throw new Lacking(withoutKwp(this.keyWrap));
        return mechanismName(this.kwp);
      },
    });
  }

  examine(proof: Proof): void {
    this.#onStep(proof.title);
    this.findings.push({ name: proof.name, title: proof.title, ...this.#outcome(proof) });
  }

  #outcome({ mechanisms, run }: Proof): Pick<Finding, "outcome" | "note"> {
    const unlisted = mechanisms.filter((each) => !this.listed.has(each)).map(mechanismName);
    try {
      const remark = this.#inSession(run);
      const note = remark ?? (unlisted.length > 0 ? `does not list ${unlisted.join(", ")}` : "");
      return { outcome: "proven", note };
    } catch (error) {
      if (error instanceof Lacking) return { outcome: "absent", note: error.message };
      if (error instanceof WrongAnswer) return { outcome: "refused", note: error.message };
      if (!(error instanceof TokenError)) throw error;
      this.#expectAlive(error);
      if (unlisted.length > 0) return { outcome: "absent", note: `no ${unlisted.join(", ")}` };
      return { outcome: "refused", note: error.message };
    }
  }

  #inSession<Result>(work: (bench: Bench) => Result): Result {
    const { module, token } = this.#token;
    const session = module.openSession(token.slot);
    try {
      return work(this.#bench(module, session));
    } finally {
      module.closeSession(session);
    }
  }

  #bench(module: Pkcs11Module, session: Session): Bench {
    return {
      module,
      session,
      knownKey: (value, attributes) => {
        if (!this.#knownKeys) throw new Lacking("it takes no key whose value is known");
        return this.#knownKeys(session, value, attributes);
      },
      kwp: () => {
        if (this.kwp === undefined) throw new Lacking("it has no key wrap that is KWP");
        return this.kwp;
      },
      // In the session that lasts as long as the probe.
      rsaPair: () => (this.#rsaPair ??= generateRsaPair(module, this.#token.session)),
    };
  }

  /** What is refused by a token that is gone says nothing of it. */
  #expectAlive(error: TokenError): void {
    if (!this.#token.module.isAlive(this.#token.session)) throw new TokenTrouble(error.message, "here");
  }
}

/** What a token has in place of KWP, in a clause. */
function withoutKwp(keyWrap: readonly KeyWrapFinding[]): string {
  const said = keyWrap
    .filter(({ is }) => is !== "absent")
    .map(({ mechanism, is, note }) => `${mechanismName(mechanism)} is ${note || KEY_WRAP_KINDS[is]}`);
  return said.length === 0 ? "the token has no key wrap" : said.join("; ");
}
