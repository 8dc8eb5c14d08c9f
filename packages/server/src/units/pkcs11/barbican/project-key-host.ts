import { FieldReader, FieldWriter } from "../../../core/fields.ts";
import type { ProjectKeyTokenFacts } from "../../../core/barbican/project-key-token.ts";
import type { ProjectKeyTarget } from "../../../core/barbican/project-key.ts";
import { serveRequests } from "../host/serve-requests.ts";
import { PinLatch } from "../pin-latch.ts";
import { telling } from "../telling.ts";
import { TokenSession } from "../token/token-session.ts";
import { packMade, packOpened, readKeys, readSecrets } from "./packed-project-keys.ts";
import type { LabelledKey, ProjectKeyHostStart } from "./project-key-requests.ts";
import { PROJECT_KEY_OP } from "./project-key-requests.ts";
import { KeyComparison } from "./token/key-comparison.ts";
import { KeyWrapping } from "./token/key-wrapping.ts";
import { LabelledKeys } from "./token/labelled-keys.ts";
import { ProjectKeyTargets } from "./token/project-key-targets.ts";
import { ProjectKeys } from "./token/project-keys.ts";
import { openSecret } from "./token/sealed-secrets.ts";

/*
 * A unit host with the token of a Barbican. Unlike unit-host.ts it opens nothing that stays open: every request is whole in
 * itself, and any host can do it. Started by host/host-process.ts.
 */

/**
 * SoftHSM keeps some 250 bytes of every session object that was destroyed until C_Finalize (observed; 2.6.1), and a key makes
 * two of them. After so many requests, 64 MiB, the module begins anew: what it gave back serves the next ones, so that
 * a host stays as large as it is. By count, because memory that was given back still counts as the process's.
 */
const REQUESTS_OF_A_SESSION = 2_000;

class ProjectKeyHost {
  readonly #token: TokenSession;
  readonly #keys: LabelledKeys;
  readonly #targets: ProjectKeyTargets;
  readonly #projectKeys: ProjectKeys;
  #requests = 0;

  constructor(start: ProjectKeyHostStart, pin: Uint8Array) {
    const logins = new PinLatch(start.loginFolder, "mend it, and run the command again");
    const token = new TokenSession(start.module, start.token, pin, () => this.#lost(), logins);
    const wrapping = new KeyWrapping(token, start.hmacMechanism);
    this.#token = token;
    this.#keys = new LabelledKeys(token, start.hmacKeyType);
    const comparison = new KeyComparison(token);
    this.#targets = new ProjectKeyTargets(token, this.#keys, wrapping, comparison);
    this.#projectKeys = new ProjectKeys(token, this.#keys, wrapping, this.#targets, comparison);
    token.open();
  }

  do(op: number, payload: Uint8Array): Uint8Array {
    const work = this.#works[op];
    if (!work) throw new TypeError(`there is no operation ${op}`);
    this.#requests += 1;
    if (this.#requests % REQUESTS_OF_A_SESSION === 0) this.#token.renew();
    return this.#token.run(() => work(new FieldReader(payload)));
  }

  readonly #works: Readonly<Record<number, (asked: FieldReader) => Uint8Array>> = {
    [PROJECT_KEY_OP.facts]: () => said(this.#facts()),
    [PROJECT_KEY_OP.forget]: () => {
      this.#keys.forget();
      this.#targets.forget();
      return new Uint8Array(0);
    },
    [PROJECT_KEY_OP.find]: (asked) => {
      const keys = JSON.parse(asked.text()) as readonly LabelledKey[];
      return said(keys.map((key) => this.#keys.finding(key)));
    },
    [PROJECT_KEY_OP.rewrap]: (asked) => {
      const target = JSON.parse(asked.text()) as ProjectKeyTarget;
      return packMade(this.#projectKeys.rewrap(readKeys(new FieldReader(asked.bytes())), target));
    },
    [PROJECT_KEY_OP.verify]: (asked) =>
      packOpened(this.#projectKeys.verify(readKeys(new FieldReader(asked.bytes())))),
    [PROJECT_KEY_OP.verifySecrets]: (asked) => {
      const [key] = readKeys(new FieldReader(asked.bytes()));
      if (!key) throw new TypeError("secrets without a key");
      const secrets = readSecrets(new FieldReader(asked.bytes()));
      const opened = this.#projectKeys.use(key, (handle) =>
        secrets.map((secret) => openSecret(this.#token, handle, secret)),
      );
      // What is refused of the key comes first, and of the secrets then.
      return "refused" in opened ? packOpened([opened]) : packOpened(["opened", ...opened]);
    },
  };

  #facts(): ProjectKeyTokenFacts {
    const { manufacturer, model, firmware, label, serial } = this.#token.token;
    return { library: this.#token.module.library(), manufacturer, model, firmware, label, serial };
  }

  #lost(): void {
    this.#keys.lost();
    this.#targets.forget();
  }
}

function said(answer: unknown): Uint8Array {
  const reply = new FieldWriter();
  reply.text(JSON.stringify(answer));
  return reply.finish();
}

let host: ProjectKeyHost | undefined;

serveRequests({
  start: (payload) =>
    telling(() => {
      const fields = new FieldReader(payload);
      const start = JSON.parse(fields.text()) as ProjectKeyHostStart;
      host = new ProjectKeyHost(start, Uint8Array.from(fields.bytes()));
    }),
  handle: (op, payload) =>
    telling(() => {
      if (!host) throw new TypeError("the host was not started");
      return host.do(op, payload);
    }),
});
