/** A call of the store, as the thread that writes it is sent one. */
export interface WriterCall {
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** Its name, and of what makes it another kind: where a change or a unit goes, what is amended, what is born with it. */
export function kindOf({ name, input }: WriterCall): string {
  const { advance, state, amendment, version, which } = input as {
    readonly advance?: { readonly state: string };
    readonly state?: string;
    readonly amendment?: object;
    readonly version?: object;
    readonly which?: { readonly rows: string };
  };
  if (amendment && !advance) return `${name} ${Object.keys(amendment).join(" ")}`;
  const more = advance?.state ?? state ?? which?.rows ?? (name === "updateKey" && version ? "rotate" : "");
  return `${name} ${more}`.trim();
}
