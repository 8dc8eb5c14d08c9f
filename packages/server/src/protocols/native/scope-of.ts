import type { GroupName, MasterKeyType } from "../../core/ids.ts";

/** Group and type of master key that a request is about: the first ones, where it names none. */
export function scopeOf(input: { readonly group?: string; readonly type?: MasterKeyType }): {
  group: GroupName;
  type: MasterKeyType;
} {
  return { group: (input.group ?? "default") as GroupName, type: input.type ?? "WK" };
}
