import { expect } from "vitest";
import { checkLedger, encrypt } from "./client-load.ts";
import type { Operator, Step } from "./operator.ts";
import { KEY, LEADS_TO, REQUESTS, refusalOf } from "./requests.ts";

/** A service statements of whose store can be made to fail. */
export interface Faulty {
  readonly operator: Operator;
  /** What requests may change, as it is kept. */
  readonly rows: () => Promise<string>;
  readonly faults: {
    disarm(): void;
    /** What failed until now, each with its place in its kind of call: `createKey #3 select`. */
    hits(): readonly string[];
  };
}

/**
 * Does each request again and again, with a fault that `arm` orders each time, until there is none any more. Returns how
 * many statements have failed.
 */
export async function requestsThroughFaults(
  { operator, rows, faults }: Faulty,
  arm: (request: string, nth: number) => void,
  code: string,
): Promise<number> {
  let names = 0;
  for (const [name, { act, prepare, from, to = "enabled" }] of Object.entries(REQUESTS)) {
    let clean = false;
    for (let nth = 1; !clean; nth += 1) {
      names += 1;
      if (from) await LEADS_TO[from].lead(operator);
      await prepare?.(operator);
      const before = await rows();
      const hits = faults.hits().length;
      arm(name, nth);
      const refused = await refusalOf(() => act(operator, names));
      faults.disarm();
      const [hit] = faults.hits().slice(hits);
      clean = hit === undefined;
      const where = `${name}, ${hit ?? "no fault"}`;
      if (clean) expect(refused?.code, where).toBeUndefined();
      if (refused) {
        expect(refused.code, where).toBe(code);
        expect(await rows(), where).toBe(before);
        const again = await refusalOf(() => act(operator, names));
        expect(again?.code, `${where}, repeated`).toBeUndefined();
      }
      expect(await rows(), where).not.toBe(before);
      const { state } = await operator.client.keys.get(KEY);
      expect(state, where).toBe(to);
      const use = await refusalOf(() => encrypt(operator.client, operator.ledger, "shop-1"));
      expect(use?.code, where).toBe(LEADS_TO[to].refusal);
    }
  }
  await operator.client.keys.enable(KEY);
  await checkLedger(operator.client, operator.ledger);
  expect(await operator.client.audit.verify()).toMatchObject({ verified: true, faults: [] });
  return faults.hits().length;
}

/** Does each verb as often as it is refused for a fault. */
export async function throughFaults(operator: Operator, steps: readonly Step[], code: string): Promise<void> {
  for (const { verb, act, done, until } of steps) {
    for (;;) {
      const refused = await refusalOf(() => act(operator));
      if (!refused || done?.includes(refused.code) === true) break;
      if (refused.code !== code) throw new Error(`${verb}: ${refused.message}`, { cause: refused });
    }
    await until?.(operator);
  }
}

/** Kinds of calls of which not every statement has failed, from BEGIN to COMMIT. */
export function halfFailed(hits: readonly string[]): readonly string[] {
  const failed = new Map<string, Map<number, string>>();
  for (const hit of hits) {
    const [, kind = "", place = "", verb = ""] = /^(.*) #(\d+) (\w+)$/.exec(hit) ?? [];
    const statements = failed.get(kind) ?? new Map<number, string>();
    failed.set(kind, statements.set(Number(place), verb));
  }
  return [...failed].flatMap(([kind, statements]) => {
    const last = Math.max(...statements.keys());
    const whole =
      statements.size === last && statements.get(1) === "BEGIN" && statements.get(last) === "COMMIT";
    return whole ? [] : [`${kind}: ${[...statements].join(" ")}`];
  });
}
