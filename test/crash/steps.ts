import { ClavigerError } from "@claviger/sdk";
import { setTimeout as sleep } from "node:timers/promises";
import { putClockAhead } from "./clock-ahead.ts";
import type { Step } from "./operator.ts";

/** The verbs of master-key changes, units and keys, each with what it is refused by when it was done before. */

export const SECOND_UNIT = "01.0002";
export const THIRD_UNIT = "01.0003";

const create: Step = {
  verb: "change create",
  act: ({ client }) => client.changes.create(),
  done: ["change-open"],
};

const generate: Step = {
  verb: "master-key generate",
  act: ({ client }) => client.masterKeys.generate(),
  done: ["register-state", "register-command-refused"],
};
const copy: Step = { verb: "master-key copy", act: ({ client }) => client.masterKeys.copy() };
const commit: Step = {
  verb: "master-key commit",
  act: async (operator) => operator.client.masterKeys.commit({ vp: await operator.patternOfNew() }),
  until: (operator) => operator.waitFor("STAGED"),
};
const clearNew: Step = {
  verb: "master-key clear-new",
  act: async (operator) => operator.client.masterKeys.clearNew({ vp: await operator.patternOfNew() }),
  done: ["register-state"],
};

const reencipher: Step = {
  verb: "change reencipher",
  act: async (operator) => operator.client.changes.reencipher((await operator.change()).id),
  done: ["change-state"],
  until: (operator) => operator.waitFor("READY"),
};
const work: Step = { verb: "(clients work)", act: (operator) => operator.letClientsWork(24) };
/** Ends when there is something that cannot be re-enciphered. */
const reencipherUntilBlocked: Step = {
  ...reencipher,
  until: (operator) =>
    operator.waitFor((change) => change.blockedReason !== null || change.state !== "REENCIPHERING"),
};
const pause: Step = {
  verb: "change pause",
  act: async (operator) => operator.client.changes.pause((await operator.change()).id),
  done: ["change-state"],
};
const resume: Step = {
  verb: "change resume",
  act: async (operator) => operator.client.changes.resume((await operator.change()).id),
  until: (operator) => operator.waitFor("READY"),
};
const activate: Step = {
  verb: "change activate",
  act: async (operator) => {
    const { id, to } = await operator.change();
    await operator.client.changes.activate(id, { vp: to ?? "" });
  },
  done: ["change-state"],
  until: (operator) => operator.waitFor("ACTIVATED"),
};
/** Has what did not open repaired at once, where the service would by itself after a while. */
const resumeUntilActivated: Step = {
  ...resume,
  done: ["change-state"],
  until: async (operator) => {
    for (;;) {
      const { id, state } = await operator.change();
      if (state !== "ACTIVATING") break;
      await operator.client.changes.resume(id);
      await sleep(200);
    }
  },
};
const beginToActivate: Step = { verb: activate.verb, act: activate.act, done: ["change-state"] };
/** Nobody asks for it: the service takes over what an officer has done. */
const adopted: Step = {
  verb: "(the change is adopted)",
  act: (operator) => operator.waitFor("ACTIVATED"),
};
const finalize: Step = {
  verb: "change finalize",
  act: async (operator) => {
    const { id } = await operator.change();
    for (;;) {
      try {
        return await operator.client.changes.finalize(id);
      } catch (error) {
        if (!(error instanceof ClavigerError) || error.code !== "change-unverified") throw error;
        await sleep(20);
      }
    }
  },
  done: ["change-state"],
  until: (operator) => operator.waitFor("DONE"),
};
const cancel: Step = {
  verb: "change cancel",
  act: async (operator) => operator.client.changes.cancel((await operator.change()).id),
  done: ["change-state"],
  until: (operator) => operator.waitFor("CANCELED"),
};
const restore: Step = {
  verb: "change restore",
  act: async (operator) => operator.client.changes.restore((await operator.change("DONE")).id),
  until: (operator) => operator.waitFor("STAGED"),
};
const purge: Step = {
  verb: "change purge",
  act: async (operator) => operator.client.changes.purge((await operator.change()).id),
  done: ["change-state"],
};
const approvePurge: Step = {
  verb: "change approve",
  act: async (operator) => operator.second.changes.approve((await operator.change()).id),
  done: ["approval-missing", "change-state"],
  until: (operator) => operator.waitFor("PURGED"),
};
const override: Step = {
  verb: "change activate --override",
  act: async (operator) => {
    const { id, to } = await operator.change();
    await operator.client.changes.activate(id, { vp: to ?? "", override: true });
  },
  done: ["change-state"],
};
const approveOverride: Step = {
  verb: "change approve",
  act: async (operator) => operator.second.changes.approve((await operator.change()).id),
  done: ["approval-missing", "change-state"],
  until: (operator) => operator.waitFor("ACTIVATED"),
};

const addUnit = (address: string): Step => ({
  verb: "unit add",
  act: ({ client }) => client.units.add({ address }),
  done: ["unit-exists"],
});
const quarantine: Step = {
  verb: "unit quarantine",
  act: ({ client }) => client.units.quarantine(SECOND_UNIT, "crash test"),
};
const readmit: Step = { verb: "unit readmit", act: ({ client }) => client.units.readmit(SECOND_UNIT) };
const remove: Step = {
  verb: "unit remove",
  act: ({ client }) => client.units.remove(SECOND_UNIT),
  done: ["unit-not-found"],
};

const key = { project: "shop-1", key: "k" };
const rotate: Step = { verb: "key rotate", act: ({ client }) => client.keys.rotate(key) };
const SPARE_KEY = { project: "shop-1", key: "spare" };
const spareKey: Step = {
  verb: "key create",
  act: ({ client }) => client.keys.create({ project: SPARE_KEY.project, name: SPARE_KEY.key }),
  done: ["key-exists"],
};
const disable: Step = { verb: "key disable", act: ({ client }) => client.keys.disable(SPARE_KEY) };
const enable: Step = { verb: "key enable", act: ({ client }) => client.keys.enable(SPARE_KEY) };
const scheduleDeletion: Step = {
  verb: "key schedule-deletion",
  act: ({ client }) => client.keys.scheduleDeletion({ ...SPARE_KEY, days: 7 }),
  done: ["key-pending-deletion"],
};
const cancelDeletion: Step = {
  verb: "key cancel-deletion",
  act: ({ client }) => client.keys.cancelDeletion(SPARE_KEY),
  done: ["key-not-pending-deletion"],
};
/** Time enough for every deletion that is pending; the name of the key is free when it is destroyed. */
const monthPasses: Step = {
  verb: "(a month passes)",
  act: async ({ folder }) => putClockAhead(folder, 31 * 24 * 60 * 60 * 1000),
  until: async ({ client }) => {
    while (!(await client.keys.list({ project: SPARE_KEY.project })).items.every(isThere)) await sleep(50);
  },
};
const isThere = ({ name, state }: { readonly name: string; readonly state: string }): boolean =>
  name !== SPARE_KEY.key || state !== "pending-deletion";
const IMPORTED_KEY = { project: "shop-1", key: "imported" };
const importedKey: Step = {
  verb: "key create --origin imported",
  act: ({ client }) =>
    client.keys.create({ project: IMPORTED_KEY.project, name: IMPORTED_KEY.key, origin: "imported" }),
  done: ["key-exists"],
};
const importMaterial: Step = {
  verb: "key import",
  act: ({ client }) => client.keys.importMaterial({ ...IMPORTED_KEY, material: new Uint8Array(32).fill(7) }),
};
const SIGNING_KEY = { project: "shop-1", key: "signing" };
const signingKey: Step = {
  verb: "key create --spec",
  act: ({ client }) =>
    client.keys.create({ project: SIGNING_KEY.project, name: SIGNING_KEY.key, spec: "EC_P256" }),
  done: ["key-exists"],
};
const signAndVerify: Step = {
  verb: "(the signing key is used)",
  act: async ({ client }) => {
    const message = new Uint8Array(9);
    const { signature } = await client.keys.sign({ ...SIGNING_KEY, message });
    const { valid } = await client.keys.verify({ ...SIGNING_KEY, message, signature });
    if (!valid) throw new Error("a signature does not verify");
  },
};
const useImported: Step = {
  verb: "(the imported key is used)",
  act: ({ client }) => client.keys.encrypt({ ...IMPORTED_KEY, plaintext: new Uint8Array(1) }),
};
const createPrincipal: Step = {
  verb: "principal create",
  act: ({ client }) => client.principals.create({ name: "auditor", grants: [{ role: "auditor" }] }),
  done: ["principal-exists"],
};
const SPARE = "spare";
const disablePrincipal: Step = {
  verb: "principal disable",
  act: ({ client }) => client.principals.disable(SPARE),
};
const enablePrincipal: Step = {
  verb: "principal enable",
  act: ({ client }) => client.principals.enable(SPARE),
};
const createToken: Step = {
  verb: "token create",
  act: ({ client }) => client.principals.createToken(SPARE),
};
const revokeTokens: Step = {
  verb: "token revoke",
  act: async ({ client }) => {
    for (const { id } of await client.principals.listTokens(SPARE))
      await client.principals.revokeToken(SPARE, id);
  },
};
/** Time enough for what is revoked to be dropped. */
const tokensAreDropped: Step = {
  verb: "(more than a month passes again)",
  act: async ({ folder }) => putClockAhead(folder, 63 * 24 * 60 * 60 * 1000),
  until: async ({ client }) => {
    while ((await client.principals.listTokens(SPARE)).length > 0) await sleep(50);
  },
};
const plan: Step = { verb: "change plan", act: ({ client }) => client.changes.plan() };

export const STEPS = {
  create,
  generate,
  copy,
  commit,
  clearNew,
  reencipher,
  reencipherUntilBlocked,
  work,
  pause,
  resume,
  activate,
  beginToActivate,
  resumeUntilActivated,
  adopted,
  finalize,
  cancel,
  restore,
  purge,
  approvePurge,
  override,
  approveOverride,
  addUnit,
  quarantine,
  readmit,
  remove,
  rotate,
  spareKey,
  disable,
  enable,
  scheduleDeletion,
  cancelDeletion,
  monthPasses,
  importedKey,
  importMaterial,
  useImported,
  signingKey,
  signAndVerify,
  createPrincipal,
  disablePrincipal,
  enablePrincipal,
  createToken,
  revokeTokens,
  tokensAreDropped,
  plan,
} as const;
