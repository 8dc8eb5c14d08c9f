import type { Reckoning } from "./decrypt-all.ts";
import type { Tally } from "./tally.ts";

/** What a load thread is asked to do, and what it answers: command → input and result. */
export interface Commands {
  /** Creates projects, each with a key and a ciphertext. */
  populate: { input: { readonly projects: number }; result: null };
  /** Requests one after the other in so many lanes, as fast as they are answered; how many there were. */
  closedLoop: {
    input: { readonly seconds: number; readonly lanes: number };
    result: { readonly tally: Tally };
  };
  /** Begins with requests at a fixed rate; they go on until `stopOpenLoop`. */
  startOpenLoop: { input: { readonly perSecond: number }; result: null };
  /** From now on requests count for this phase. */
  enterPhase: { input: { readonly phase: string; readonly keepAll: boolean }; result: null };
  /** Resolves when everything is answered. */
  stopOpenLoop: { input: null; result: { readonly tallies: ReadonlyMap<string, Tally> } };
  /** Decrypts every ciphertext of the ledger at another address. */
  decryptAll: { input: { readonly address: string }; result: Reckoning };
}

export type CommandName = keyof Commands;

export interface LoadSettings {
  readonly address: string;
  readonly token: string;
  /** Of the thread. */
  readonly name: string;
}

export type CommandMessage = {
  [N in CommandName]: { readonly id: number; readonly name: N; readonly input: Commands[N]["input"] };
}[CommandName];

export type AnswerMessage =
  | { readonly id: number; readonly result: Commands[CommandName]["result"] }
  | { readonly id: number; readonly error: string }
  /** So many more of what `populate` and `decryptAll` do are done. */
  | { readonly progress: number };
