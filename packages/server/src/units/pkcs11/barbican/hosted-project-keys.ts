import type { SealedSecret, WrappedProjectKey } from "../../../core/barbican/project-key.ts";
import type {
  LabelFinding,
  ProjectKeyToken,
  ProjectKeyTokenFacts,
} from "../../../core/barbican/project-key-token.ts";
import { FieldReader, FieldWriter } from "../../../core/fields.ts";
import type { DeadlineClass } from "../host/host-call.ts";
import type { Refused } from "./packed-project-keys.ts";
import { packKeys, packSecrets, readMade, readOpened } from "./packed-project-keys.ts";
import { PROJECT_KEY_BATCH, PROJECT_KEY_OP } from "./project-key-requests.ts";
import { isTooLong, refusalOf } from "./untravelled.ts";

/** Secrets that are longer than this in all go in several requests. */
const SECRETS_BYTES = 256 * 1024;

/** The unit hosts of a token. */
export interface ProjectKeyHosts {
  readonly count: number;
  /** Any of them. All that is asked may be repeated. */
  call(op: number, deadline: DeadlineClass, payload: Uint8Array): Promise<Uint8Array>;
  /** Each of them, before any later call. */
  tellAll(op: number): Promise<void>;
  close(): Promise<void>;
}

/** A token of a Barbican whose hosts share what there is to do. */
export class HostedProjectKeys implements ProjectKeyToken {
  readonly facts: ProjectKeyTokenFacts;
  readonly #hosts: ProjectKeyHosts;

  private constructor(hosts: ProjectKeyHosts, facts: ProjectKeyTokenFacts) {
    this.#hosts = hosts;
    this.facts = facts;
  }

  static async over(hosts: ProjectKeyHosts): Promise<HostedProjectKeys> {
    const facts = new FieldReader(await hosts.call(PROJECT_KEY_OP.facts, "quick", new Uint8Array(0)));
    return new HostedProjectKeys(hosts, JSON.parse(facts.text()) as ProjectKeyTokenFacts);
  }

  async find(labels: Parameters<ProjectKeyToken["find"]>[0]): Promise<readonly LabelFinding[]> {
    await this.#hosts.tellAll(PROJECT_KEY_OP.forget);
    const found = await this.#ask(PROJECT_KEY_OP.find, "quick", asJson(labels));
    return JSON.parse(found.text()) as readonly LabelFinding[];
  }

  /** Proves the target also where there is no key. */
  async rewrap(
    keys: readonly WrappedProjectKey[],
    target: Parameters<ProjectKeyToken["rewrap"]>[1],
  ): ReturnType<ProjectKeyToken["rewrap"]> {
    const { mkekLabel, hmacLabel, mechanism } = target;
    return await this.#ofEach(keys, async (batch) => {
      const made = await this.#ask(PROJECT_KEY_OP.rewrap, "batch", asJson(target), packKeys(batch));
      return readMade(made, batch.length).map((one) =>
        "refused" in one
          ? one
          : { iv: one.iv, wrapped: one.wrapped, hmac: one.hmac, mkekLabel, hmacLabel, mechanism },
      );
    });
  }

  async verify(keys: readonly WrappedProjectKey[]): ReturnType<ProjectKeyToken["verify"]> {
    return await this.#ofEach(keys, async (batch) =>
      readOpened(await this.#ask(PROJECT_KEY_OP.verify, "batch", packKeys(batch)), batch.length),
    );
  }

  async verifySecrets(
    key: WrappedProjectKey,
    secrets: readonly SealedSecret[],
  ): ReturnType<ProjectKeyToken["verifySecrets"]> {
    const refused = refusalOf(key);
    if (refused) return { refused };
    const packedKey = packKeys([key]);
    const batches = secretBatches(secrets.filter((secret) => !isTooLong(secret)));
    const answers = await Promise.all(
      batches.map(async (batch) => {
        const reply = await this.#ask(PROJECT_KEY_OP.verifySecrets, "batch", packedKey, packSecrets(batch));
        const [ofKey = "opened"] = readOpened(reply, 1);
        return ofKey === "opened" ? (readOpened(reply, batch.length) as readonly OpenedSecret[]) : ofKey;
      }),
    );
    const ofKey = answers.find((answer) => "refused" in answer);
    if (ofKey) return ofKey;
    const opened = (answers as readonly (readonly OpenedSecret[])[]).flat().values();
    return secrets.map((secret) => (isTooLong(secret) ? { refused: "malformed" } : nextOf(opened)));
  }

  async close(): Promise<void> {
    await this.#hosts.close();
  }

  /** One result for each key: those that need not travel are refused here, the others by the hosts, in batches. */
  async #ofEach<Result>(
    keys: readonly WrappedProjectKey[],
    ask: (batch: readonly WrappedProjectKey[]) => Promise<readonly Result[]>,
  ): Promise<readonly (Result | Refused)[]> {
    const refusals = keys.map(refusalOf);
    const travelling = keys.filter((_, i) => refusals[i] === undefined);
    const answers = await Promise.all(keyBatches(travelling, this.#hosts.count).map(ask));
    const results = answers.flat().values();
    return refusals.map((refused) => (refused ? { refused } : nextOf(results)));
  }

  async #ask(op: number, deadline: DeadlineClass, ...fields: readonly Uint8Array[]): Promise<FieldReader> {
    const asked = new FieldWriter();
    for (const field of fields) asked.bytes(field);
    return new FieldReader(await this.#hosts.call(op, deadline, asked.finish()));
  }
}

type OpenedSecret = "opened" | Refused<"not-opened" | "mechanism-unsupported" | "malformed">;

/** At least one. Few keys are spread too. */
function keyBatches(
  keys: readonly WrappedProjectKey[],
  hosts: number,
): readonly (readonly WrappedProjectKey[])[] {
  const size = Math.max(1, Math.min(PROJECT_KEY_BATCH, Math.ceil(keys.length / hosts)));
  const count = Math.max(1, Math.ceil(keys.length / size));
  return Array.from({ length: count }, (_, i) => keys.slice(i * size, (i + 1) * size));
}

/** At least one. */
function secretBatches(secrets: readonly SealedSecret[]): readonly (readonly SealedSecret[])[] {
  const batches: SealedSecret[][] = [[]];
  let bytes = 0;
  for (const secret of secrets) {
    const batch = batches.at(-1);
    bytes += secret.ciphertext.byteLength;
    if (batch && batch.length < PROJECT_KEY_BATCH && bytes <= SECRETS_BYTES) batch.push(secret);
    else {
      batches.push([secret]);
      bytes = secret.ciphertext.byteLength;
    }
  }
  return batches;
}

function asJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

function nextOf<Value>(values: Iterator<Value, undefined>): Value {
  const { value, done } = values.next();
  if (done) throw new RangeError("fewer results than were asked for");
  return value;
}
