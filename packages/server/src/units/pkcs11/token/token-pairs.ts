import { Failure } from "../../../core/errors.ts";
import { CKA, CKO } from "./cryptoki.ts";
import type { ObjectHandle } from "./module.ts";
import { template } from "./module.ts";
import type { MacState, Place, RegisterLabels } from "./register-labels.ts";
import type { TokenSession } from "./token-session.ts";

/**
 * The master key pairs of one scope as they lie in a token, and which register each of them is in: reads, and changes
 * nothing. A pair is two token objects whose ids share their first 16 bytes. Of two CURRENT the higher generation is
 * CURRENT and the other one OLD, so that one change of one label is an activation, whatever comes after it.
 *
 * Whatever no interrupted command leaves is damage: what is missing or there twice is never a reason to create or to
 * destroy something.
 */
export interface TokenPair {
  readonly id: Buffer;
  readonly generation: number;
  readonly wrapping: ObjectHandle;
  readonly mac: ObjectHandle;
}

export interface PlacedPair extends TokenPair {
  readonly place: Place;
  readonly macState: MacState;
}

export interface PairsInToken {
  readonly NEW: PlacedPair | undefined;
  readonly CURRENT: PlacedPair | undefined;
  readonly OLD: PlacedPair | undefined;
  /** The OLD of before an activation that was interrupted. */
  readonly outlived: PlacedPair | undefined;
  /** MAC keys of pairs that an interrupted command had not made yet, or had destroyed already. */
  readonly halves: readonly ObjectHandle[];
}

export const ID_BYTES = 16;
const WRAPPING_ROLE = 1;
const MAC_ROLE = 2;

/** More keys of its own are in no token of a sane service. */
const OBJECT_LIMIT = 4096;

/** Without the PIN nobody makes a private object: what is not private is not the unit's. */
const KEYS_IN_TOKEN = template({ CLASS: CKO.SECRET_KEY, TOKEN: true, PRIVATE: true });

/**
 * The places of CURRENT and OLD, the latest generation first, as commands leave them, the last three when an activation was
 * interrupted.
 */
const ORDERS: ReadonlySet<string> = new Set([
  "",
  "OLD",
  "CURRENT",
  "CURRENT OLD",
  "CURRENT CURRENT",
  "CURRENT CURRENT OLD",
  "CURRENT OLD OLD",
]);

/** @throws Failure `unit-token-damaged`. */
export function readPairs(token: TokenSession, labels: RegisterLabels): PairsInToken {
  const { pairs, halves } = scan(token, labels);
  const latestFirst = pairs.toSorted((a, b) => b.generation - a.generation);
  const generations = new Set(pairs.map(({ generation }) => generation));
  if (generations.size < pairs.length) throw damaged("two master keys have the same generation");
  const [NEW, second] = latestFirst.filter(isNew);
  if (second) throw damaged("there are two master keys in NEW");
  if (NEW && NEW !== latestFirst[0]) throw damaged("NEW is of an earlier generation than CURRENT or OLD");
  const held = latestFirst.filter((pair) => !isNew(pair));
  const order = held.map(({ place }) => place).join(" ");
  if (!ORDERS.has(order))
    throw damaged(`the master keys, the latest first, are in ${order.replaceAll(" ", ", ")}`);
  const [CURRENT, OLD, outlived] = held[0]?.place === "OLD" ? [undefined, held[0]] : held;
  return { NEW, CURRENT, OLD, outlived, halves };
}

export function wrappingId(id: Uint8Array): Buffer {
  return Buffer.concat([id, Buffer.of(WRAPPING_ROLE)]);
}

export function macId(id: Uint8Array): Buffer {
  return Buffer.concat([id, Buffer.of(MAC_ROLE)]);
}

/** Every pair of the scope, and MAC keys that are there without a wrapping key because a command was interrupted. */
function scan(
  { module, session }: TokenSession,
  labels: RegisterLabels,
): { readonly pairs: readonly PlacedPair[]; readonly halves: readonly ObjectHandle[] } {
  const wrappings = new Map<string, Pick<PlacedPair, "wrapping" | "place" | "generation">>();
  const macs = new Map<string, Pick<PlacedPair, "mac" | "macState">>();
  const found = module.find(session, KEYS_IN_TOKEN, OBJECT_LIMIT);
  if (found.length === OBJECT_LIMIT) throw damaged(`there are ${OBJECT_LIMIT} secret keys or more`);
  for (const key of found) {
    const label = module.attribute(session, key, CKA.LABEL).toString("utf8");
    const said = labels.read(label);
    if (said === undefined) continue;
    if (said === "unreadable") throw damaged(`the object ${label} is in no register`);
    const id = module.attribute(session, key, CKA.ID);
    const pairId = id.subarray(0, ID_BYTES);
    const name = pairId.toString("hex");
    const isMac = "mac" in said;
    if (!id.equals(isMac ? macId(pairId) : wrappingId(pairId)) || id.byteLength !== ID_BYTES + 1)
      throw damaged(`the object ${label} has not its own id`);
    if ((isMac ? macs : wrappings).has(name)) throw damaged(`the object ${label} is there twice`);
    if (isMac) macs.set(name, { mac: key, macState: said.mac });
    else wrappings.set(name, { wrapping: key, ...said });
  }
  const pairs = Array.from(wrappings, ([name, wrapping]): PlacedPair => {
    const mac = macs.get(name);
    if (!mac) throw damaged(`the MAC key of the master key in ${wrapping.place} is missing`);
    return { id: Buffer.from(name, "hex"), ...wrapping, ...mac };
  });
  const alone = [...macs].filter(([name]) => !wrappings.has(name)).map(([, mac]) => mac);
  if (alone.some(({ macState }) => macState === "held"))
    throw damaged("the wrapping key of a master key is missing: its MAC key is there");
  return { pairs, halves: alone.map(({ mac }) => mac) };
}

function isNew({ place }: PlacedPair): boolean {
  return place === "NEW" || place === "NEW-uncommitted";
}

function damaged(what: string): Failure {
  return new Failure("unit-token-damaged", `In the token ${what}.`);
}
