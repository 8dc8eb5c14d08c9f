import type { HmacKeyType } from "../../../../core/barbican/project-key.ts";
import { HMAC_KEY_TYPES } from "../../../../core/barbican/project-key.ts";
import type { LabelFinding } from "../../../../core/barbican/project-key-token.ts";
import { CKK, CKO } from "../../token/cryptoki.ts";
import type { ObjectHandle } from "../../token/module.ts";
import { template } from "../../token/module.ts";
import type { TokenSession } from "../../token/token-session.ts";
import type { LabelledKey } from "../project-key-requests.ts";
import { isRequestRefused } from "./key-wrapping.ts";

/** A Barbican that has changed its keys every month for years has fewer labels; the one found longest ago makes room. */
const LIMIT = 256;

interface Found {
  readonly handle: ObjectHandle;
  /** It is this session's own, and to be destroyed. */
  readonly isCopy: boolean;
}

type Absent = Exclude<LabelFinding, "found">;

/**
 * The master keys of a Barbican in the token, which it finds by label and type alone (openstack/barbican:
 * barbican/plugin/crypto/pkcs11.py, get_key_handle). They are used through session copies where the token allows them:
 * SoftHSM looks at the file of a token object at each use, NSS opens its database. What was found, or was not there, is
 * remembered until `forget`.
 */
export class LabelledKeys {
  readonly #token: TokenSession;
  readonly hmacKeyType: HmacKeyType;
  readonly #known = new Map<string, Found | Absent>();

  constructor(token: TokenSession, hmacKeyType: HmacKeyType) {
    this.#token = token;
    this.hmacKeyType = hmacKeyType;
  }

  /** A handle that is good until the next call. */
  get(key: LabelledKey): ObjectHandle | Absent {
    const known = this.#known.get(nameOf(key)) ?? this.#remember(key);
    return typeof known === "string" ? known : known.handle;
  }

  finding(key: LabelledKey): LabelFinding {
    const known = this.get(key);
    return typeof known === "string" ? known : "found";
  }

  /** So that all are looked for anew. */
  forget(): void {
    for (const name of this.#known.keys()) this.#drop(name);
  }

  /** The session is gone, and the copies with it. */
  lost(): void {
    this.#known.clear();
  }

  #remember(key: LabelledKey): Found | Absent {
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size >= LIMIT) this.#drop(oldest);
    const found = this.#find(key);
    this.#known.set(nameOf(key), found);
    return found;
  }

  #find({ use, label }: LabelledKey): Found | Absent {
    const { module, session } = this.#token;
    const KEY_TYPE = use === "mkek" ? CKK.AES : HMAC_KEY_TYPES[this.hmacKeyType];
    // TOKEN, because the session copies have the same labels.
    const wanted = template({ CLASS: CKO.SECRET_KEY, KEY_TYPE, TOKEN: true, LABEL: Buffer.from(label) });
    const [found, another] = module.find(session, wanted, 2);
    if (!found) return "missing";
    return another ? "ambiguous" : this.#copyOf(found);
  }

  #copyOf(handle: ObjectHandle): Found {
    const { module, session } = this.#token;
    try {
      return { handle: module.copyObject(session, handle, template({ TOKEN: false })), isCopy: true };
    } catch (error) {
      if (isRequestRefused(error)) return { handle, isCopy: false };
      throw error;
    }
  }

  #drop(name: string): void {
    const { module, session } = this.#token;
    const known = this.#known.get(name);
    this.#known.delete(name);
    if (typeof known === "object" && known.isCopy) module.destroyObject(session, known.handle);
  }
}

function nameOf({ use, label }: LabelledKey): string {
  return `${use} ${label}`;
}
