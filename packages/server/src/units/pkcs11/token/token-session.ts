import { Failure } from "../../../core/errors.ts";
import { CKF } from "./cryptoki.ts";
import type { ModuleOptions, Session, TokenInfo } from "./module.ts";
import { Pkcs11Module, TokenError } from "./module.ts";
import { AMBIGUOUS } from "./return-codes.ts";
import type { TokenPlace } from "./token-place.ts";
import { tokensAt } from "./token-place.ts";
import { TokenTrouble } from "../host/outcomes.ts";

/** Whose turn it is to log in, where several processes do. */
export interface Logins {
  /** Runs `logIn`, which throws Failure `unit-pin-wrong` when the PIN is refused: it is not to be tried again then. */
  inTurn(logIn: () => void): void;
}

/** Of a process that is the only one. */
const ALONE: Logins = { inTurn: (logIn) => logIn() };

/**
 * A token with one session that is logged in, and what is done when either is lost. Whoever works on it does so inside
 * `run`, and is told by `onLost` when the session objects are gone.
 *
 * A refused PIN ends it: the PIN is tried once, and never again by this process.
 */
export class TokenSession {
  readonly module: Pkcs11Module;
  readonly #place: TokenPlace;
  readonly #pin: Uint8Array;
  readonly #onLost: () => void;
  readonly #logins: Logins;
  #session: Session | undefined;
  #token: TokenInfo | undefined;
  #refused: Failure | undefined;

  /** `pin` is kept, for a session that has to be opened again; it is the caller's to wipe at the end. */
  constructor(
    module: ModuleOptions,
    place: TokenPlace,
    pin: Uint8Array,
    onLost: () => void,
    logins: Logins = ALONE,
  ) {
    this.module = new Pkcs11Module(module);
    this.#place = place;
    this.#pin = pin;
    this.#onLost = onLost;
    this.#logins = logins;
  }

  get session(): Session {
    if (!this.#session) throw new TokenTrouble("there is no session", "here");
    return this.#session;
  }

  get token(): TokenInfo {
    if (!this.#token) throw new TokenTrouble("the token was not found", "here");
    return this.#token;
  }

  /**
   * Finds the token, opens the session and logs in.
   * @throws Failure `unit-pin-wrong`; TokenTrouble.
   */
  open(): void {
    if (this.#refused) throw this.#refused;
    try {
      this.module.initialise();
      this.#token = this.#find();
      const session = this.module.openSession(this.#token.slot);
      this.#logins.inTurn(() => this.#logIn(session));
      this.#session = session;
    } catch (error) {
      this.#session = undefined;
      if (!(error instanceof TokenError || error instanceof TokenTrouble)) throw error;
      // What is half open would be in the way of the next attempt.
      this.#finalise();
      throw error instanceof TokenTrouble ? error : new TokenTrouble(error.message, "elsewhere");
    }
  }

  /**
   * Runs `work`, which may be repeated by whoever asked for it.
   * @throws what `work` throws; TokenError where the token refuses what was asked or given; TokenTrouble where session or
   * token were lost: a new session is there by then if it says "here"; Failure `unit-pin-wrong`.
   */
  run<Result>(work: () => Result): Result {
    if (!this.#session) this.open();
    try {
      return work();
    } catch (error) {
      if (!(error instanceof TokenError) || this.#isOfTheRequest(error)) throw error;
      throw this.#recovered(error);
    }
  }

  /** Has the module give back all that it holds, the session included: the next `run` begins anew. */
  renew(): void {
    this.#onLost();
    this.#session = undefined;
    this.#finalise();
  }

  /** Ends the session; nothing of it is left. */
  close(): void {
    this.#session = undefined;
    this.#pin.fill(0);
    this.#finalise();
  }

  #logIn(session: Session): void {
    if ((this.token.flags & CKF.USER_PIN_LOCKED) !== 0) throw this.#refuse("CKR_PIN_LOCKED");
    try {
      this.module.login(session, this.#pin);
    } catch (error) {
      if (error instanceof TokenError && error.rule.failed === "pin") throw this.#refuse(error.rule.name);
      throw error;
    }
  }

  #isOfTheRequest({ code, rule }: TokenError): boolean {
    if (rule.isSessionUsable) return true;
    return AMBIGUOUS.has(code) && this.#session !== undefined && this.module.isAlive(this.#session);
  }

  /** Opens the session anew, after the module where that is needed, and says what to tell of the error. */
  #recovered({ rule, message }: TokenError): Error {
    this.#onLost();
    const session = this.#session;
    this.#session = undefined;
    if (rule.failed === "pin") return this.#refuse(rule.name);
    try {
      if (rule.failed === "session" && session) this.#closeQuietly(session);
      else this.#finalise();
      this.open();
    } catch (error) {
      return error instanceof TokenTrouble ? new TokenTrouble(message, "elsewhere") : (error as Error);
    }
    return new TokenTrouble(message, rule.mayRetry ? "here" : "never");
  }

  #closeQuietly(session: Session): void {
    try {
      this.module.closeSession(session);
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
    }
  }

  #finalise(): void {
    try {
      this.module.finalise();
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
    }
  }

  #find(): TokenInfo {
    const [token, second] = tokensAt(this.#place, this.module.tokens());
    if (second) throw new Failure("unit-unreachable", "more than one token fits: name its serial number too");
    // It may be on its way: SoftHSM shows none while another process initialises.
    if (!token) throw new TokenTrouble("no such token is present", "elsewhere");
    return token;
  }

  #refuse(name: string): Failure {
    this.#refused = new Failure("unit-pin-wrong", `the token refuses the PIN (${name})`);
    return this.#refused;
  }
}
