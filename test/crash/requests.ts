import { ClavigerError } from "@claviger/sdk";
import { openDatabase } from "./data-folder.ts";
import type { Operator } from "./operator.ts";
import { SPARE_PRINCIPAL } from "./templates.ts";

/** What a request for a project or a key may change, all of it in one transaction. */
export function rowsOf(folder: string): string {
  using db = openDatabase(folder);
  const tables = ["projects", "keks", "keys", "key_versions", "import_tokens", "principals", "tokens"];
  return JSON.stringify(
    tables.map((table) => db.prepare(`SELECT * FROM ${table}`).all()),
    (_, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value),
  );
}

/** A request that changes something. */
export interface Request {
  readonly act: (operator: Operator, n: number) => Promise<unknown>;
  /** What must be there for it. */
  readonly prepare?: (operator: Operator) => Promise<unknown>;
  /** The state of the key from which it is done (default: as it is), and the one it leads to (default: enabled). */
  readonly from?: keyof typeof LEADS_TO;
  readonly to?: keyof typeof LEADS_TO;
}

export const KEY = { project: "shop-1", key: "k" };
/** How an operator brings the key into a state, from whichever it is in; and what its uses are refused with there. */
export const LEADS_TO = {
  enabled: {
    lead: async ({ client }: Operator) => {
      if ((await client.keys.get(KEY)).state === "pending-deletion") await client.keys.cancelDeletion(KEY);
      await client.keys.enable(KEY);
    },
    refusal: undefined,
  },
  disabled: {
    lead: async ({ client }: Operator) => {
      if ((await client.keys.get(KEY)).state === "pending-deletion") await client.keys.cancelDeletion(KEY);
      else await client.keys.disable(KEY);
    },
    refusal: "key-disabled",
  },
  "pending-deletion": {
    lead: async ({ client }: Operator) => {
      if ((await client.keys.get(KEY)).state !== "pending-deletion") await client.keys.scheduleDeletion(KEY);
    },
    refusal: "key-pending-deletion",
  },
} as const;
export const REQUESTS: Readonly<Record<string, Request>> = {
  "project create": { act: ({ client }, n) => client.projects.create({ name: `fault-${n}` }) },
  "key create": { act: ({ client }, n) => client.keys.create({ project: "shop-1", name: `fault-${n}` }) },
  "key rotate": { act: ({ client }) => client.keys.rotate(KEY), from: "enabled" },
  "key disable": { act: ({ client }) => client.keys.disable(KEY), from: "enabled", to: "disabled" },
  "key schedule-deletion": {
    act: ({ client }) => client.keys.scheduleDeletion(KEY),
    from: "enabled",
    to: "pending-deletion",
  },
  "key cancel-deletion": {
    act: ({ client }) => client.keys.cancelDeletion(KEY),
    from: "pending-deletion",
    to: "disabled",
  },
  "key enable": { act: ({ client }) => client.keys.enable(KEY), from: "disabled" },
  "principal create": {
    act: ({ client }, n) => client.principals.create({ name: `fault-${n}`, grants: [{ role: "auditor" }] }),
  },
  "principal disable": { act: ({ client }) => client.principals.disable(SPARE_PRINCIPAL) },
  "principal enable": { act: ({ client }) => client.principals.enable(SPARE_PRINCIPAL) },
  "role grant": { act: ({ client }) => client.principals.grant(SPARE_PRINCIPAL, { role: "operator" }) },
  "role withdraw": { act: ({ client }) => client.principals.withdraw(SPARE_PRINCIPAL, { role: "operator" }) },
  "principal limit": { act: ({ client }) => client.principals.limit(SPARE_PRINCIPAL, 100) },
  "token create": { act: ({ client }) => client.principals.createToken(SPARE_PRINCIPAL) },
  "token revoke": {
    prepare: ({ client }) => client.principals.createToken(SPARE_PRINCIPAL),
    act: async ({ client }) => {
      const tokens = await client.principals.listTokens(SPARE_PRINCIPAL);
      const last = tokens.findLast(({ state }) => state !== "revoked") ?? tokens.at(-1);
      await client.principals.revokeToken(SPARE_PRINCIPAL, last?.id ?? "");
    },
  },
};

/** How a request is refused, if it is. */
export async function refusalOf(act: () => Promise<unknown>): Promise<ClavigerError | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    if (error instanceof ClavigerError) return error;
    throw error;
  }
}
