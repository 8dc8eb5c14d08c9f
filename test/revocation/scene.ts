import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ClavigerClient } from "@claviger/sdk";
import type { TokenId } from "../../packages/server/src/core/ids.ts";
import type { Store } from "../../packages/server/src/core/ports/store.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite-store.ts";
import { copyFolder, databasePath } from "../crash/data-folder.ts";
import { administrator, startService } from "../crash/service.ts";
import { SCRATCH } from "../model/scratch.ts";

/** What can be withdrawn under a request, and what it is refused with then. */
export const WITHDRAWN = {
  "a token is revoked": "token-revoked",
  "a principal is disabled": "principal-disabled",
  "a role is withdrawn": "forbidden",
  "a key is disabled": "key-disabled",
} as const;
export type Withdrawn = keyof typeof WITHDRAWN;

/** What a caller does with a key, and the member of the reply that bears what the key made. */
export const USES = {
  encrypt: "ciphertext",
  decrypt: "plaintext",
  generateDataKey: "plaintext",
  sign: "signature",
} as const;
export type Use = keyof typeof USES;

/** A principal of its own with keys of its own, so that what is withdrawn from it ends nothing else. */
export interface Caller {
  readonly token: string;
  /** Name of the key that encrypts; the one that signs is `<key>-signs`. */
  readonly key: string;
  readonly ciphertext: string;
  /** Withdraws it: one write of the store, as the daemon itself would have done it. */
  readonly withdraw: (store: Store) => Promise<unknown>;
}

export const PROJECT = "shop";

/** A data folder with callers from each of whom something can be withdrawn. */
export interface Scene extends Disposable {
  readonly folder: string;
  /** One that nobody has taken yet. */
  take(what: Withdrawn): Caller;
  /** Withdraws it on a connection of this process, beside the daemon; returns the time when that was durable. */
  withdraw(caller: Caller): Promise<number>;
}

/**
 * `each`: how many callers for each thing that can be withdrawn. The rows that withdraw it are vouched for by a key that
 * only a unit can open, so a daemon makes them on a copy of the folder, by the verbs of its API.
 */
export async function makeScene(each: number): Promise<Scene> {
  const root = mkdtempSync(join(SCRATCH, "claviger-revocation-"));
  const [folder, copy] = [join(root, "data"), join(root, "copy")];
  const made: {
    readonly what: Withdrawn;
    readonly name: string;
    readonly caller: Omit<Caller, "withdraw">;
  }[] = [];
  const tokenIds = new Map<string, string>();
  {
    await using service = await startService(folder);
    using admin = administrator(service, 0);
    await admin.projects.create({ name: PROJECT });
    for (const what of Object.keys(WITHDRAWN) as Withdrawn[]) {
      for (let n = 1; n <= each; n += 1) {
        const name = `${what.replaceAll(" ", "-")}-${n}`;
        const grants = [{ role: "key-user" as const, project: PROJECT }];
        const { token, tokenId } = await admin.principals.create({ name, grants });
        tokenIds.set(name, tokenId);
        await admin.keys.create({ project: PROJECT, name });
        await admin.keys.create({ project: PROJECT, name: `${name}-signs`, spec: "EC_P256" });
        using user = new ClavigerClient({ address: service.url, token, retries: 0 });
        const plaintext = new Uint8Array(8);
        const sealed = await user.keys.encrypt({ project: PROJECT, key: name, plaintext });
        const ciphertext = Buffer.from(sealed.ciphertext).toString("base64");
        made.push({ what, name, caller: { token, key: name, ciphertext } });
      }
    }
  }
  copyFolder(folder, copy);
  const free = new Map<Withdrawn, Caller[]>();
  {
    await using service = await startService(copy);
    using admin = administrator(service, 0);
    for (const { what, name, caller } of made) {
      const withdraw = await withdrawal(what, name, tokenIds.get(name) ?? "", admin, service.store);
      free.set(what, [...(free.get(what) ?? []), { ...caller, withdraw }]);
    }
  }
  return {
    folder,
    take: (what) => {
      const caller = free.get(what)?.pop();
      if (!caller) throw new Error(`no caller is left of whom ${what}`);
      return caller;
    },
    withdraw: async ({ withdraw }) => {
      const store = openSqliteStore({ path: databasePath(folder), threads: "none" });
      try {
        await withdraw(store);
        return Date.now();
      } finally {
        await store.close();
      }
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** Withdraws it here, by the API, and returns the write that does the same elsewhere. */
async function withdrawal(
  what: Withdrawn,
  name: string,
  tokenId: string,
  admin: ClavigerClient,
  here: Store,
): Promise<Caller["withdraw"]> {
  switch (what) {
    case "a token is revoked": {
      await admin.principals.revokeToken(name, tokenId);
      const token = found(await here.findToken({ id: tokenId as TokenId }));
      return async (store) => expectDone(await store.revokeToken({ token }));
    }
    case "a principal is disabled":
    case "a role is withdrawn": {
      if (what === "a principal is disabled") await admin.principals.disable(name);
      else await admin.principals.withdraw(name, { role: "key-user", project: PROJECT });
      const principal = found(await here.findPrincipal({ ref: name }));
      return async (store) => expectDone(await store.updatePrincipal({ principal }));
    }
    case "a key is disabled": {
      const { id: projectId } = found(await here.findProject({ ref: PROJECT }));
      const keys = [name, `${name}-signs`];
      for (const key of keys) await admin.keys.disable({ project: PROJECT, key });
      const rows = await Promise.all(keys.map((ref) => here.findKey({ projectId, ref })));
      return async (store) => {
        for (const key of rows) expectDone(await store.updateKey({ key: found(key), version: undefined }));
      };
    }
  }
}

function found<Row>(row: Row | undefined): Row {
  if (row === undefined) throw new Error("what was just made is not there");
  return row;
}

function expectDone(outcome: string): void {
  if (outcome !== "updated" && outcome !== "revoked") throw new Error(`it is not withdrawn: ${outcome}`);
}
