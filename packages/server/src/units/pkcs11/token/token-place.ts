import type { TokenInfo } from "./module.ts";

/** Which token of a module; whatever is given must fit. Slot numbers of some modules change: label and serial do not. */
export interface TokenPlace {
  readonly label?: string | undefined;
  readonly serial?: string | undefined;
  readonly slot?: number | undefined;
  readonly manufacturer?: string | undefined;
  readonly model?: string | undefined;
  /** The first of these labels that a token has, of the tokens that fit, and the first token that has it. */
  readonly labels?: readonly string[] | undefined;
}

/** The tokens that fit; of labels those that have the first that some token has, and of these one. */
export function tokensAt(place: TokenPlace, tokens: readonly TokenInfo[]): readonly TokenInfo[] {
  const { label, serial, slot, manufacturer, model, labels } = place;
  const fitting = tokens.filter(
    (token) =>
      (label ?? token.label) === token.label &&
      (serial ?? token.serial) === token.serial &&
      (slot ?? slotNumber(token)) === slotNumber(token) &&
      (manufacturer ?? token.manufacturer) === token.manufacturer &&
      (model ?? token.model) === token.model,
  );
  return labels
    ? labels.flatMap((each) => fitting.filter((token) => token.label === each)).slice(0, 1)
    : fitting;
}

/** CK_SLOT_ID as this machine has it, which is little endian. */
export function slotNumber({ slot }: TokenInfo): number {
  return Number(slot.readBigUInt64LE());
}
