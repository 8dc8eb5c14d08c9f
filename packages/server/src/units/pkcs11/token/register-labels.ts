import type { GroupName, MasterKeyType } from "../../../core/ids.ts";

/*
 * What the labels of a pair say. That of the wrapping key names the register and the generation, which every new master key
 * raises: `claviger default WK CURRENT 3`. That of the MAC key says whether the pair is whole: `claviger default WK MAC held`.
 */

const PLACES = ["NEW-uncommitted", "NEW", "CURRENT", "OLD"] as const;
export type Place = (typeof PLACES)[number];

/** One that is `forming` or `leaving` may be without its wrapping key: a command was interrupted. */
const MAC_STATES = ["forming", "held", "leaving"] as const;
export type MacState = (typeof MAC_STATES)[number];

export type RegisterLabel =
  { readonly place: Place; readonly generation: number } | { readonly mac: MacState };

/** No token of a sane service comes near; what is beyond is no generation, and none could follow it. */
const GENERATION_LIMIT = 1_000_000_000;

export class RegisterLabels {
  readonly #prefix: string;

  constructor({ group, type }: { readonly group: GroupName; readonly type: MasterKeyType }) {
    this.#prefix = `claviger ${group} ${type} `;
  }

  /** Of a wrapping key. */
  wrapping(place: Place, generation: number): string {
    return `${this.#prefix}${place} ${generation}`;
  }

  mac(state: MacState): string {
    return `${this.#prefix}MAC ${state}`;
  }

  /** What a label says; `unreadable` for one of the scope that no release has written, undefined for one of something else. */
  read(label: string): RegisterLabel | "unreadable" | undefined {
    if (!label.startsWith(this.#prefix)) return undefined;
    const [first, second, ...more] = label.slice(this.#prefix.length).split(" ");
    const place = PLACES.find((each) => each === first);
    const state = MAC_STATES.find((each) => each === second);
    if (more.length > 0 || second === undefined) return "unreadable";
    if (first === "MAC" && state) return { mac: state };
    if (place && isGeneration(Number(second)) && String(Number(second)) === second)
      return { place, generation: Number(second) };
    return "unreadable";
  }
}

export function isGeneration(number: number): boolean {
  return Number.isInteger(number) && number >= 1 && number < GENERATION_LIMIT;
}
