import type { ChangeView, ClavigerClient, UnitView } from "@claviger/sdk";
import { ClavigerError, isOpen, isVerified } from "@claviger/sdk";
import { confirmedPattern } from "./pattern-prompt.ts";
import { note } from "./terminal.ts";
import { finalizeWhenVerified, waitShowing } from "./wait.ts";

/**
 * Replaces one unit by another of its group (docs/operations/hsm-replacement.md). Where it stands is read from the service at
 * every step, so that repeating it is going on with it:
 * - the old unit is quarantined with a reason that names the new one, and never gets the new master key;
 * - a change whose NEW the new unit makes leads to CURRENT being another one there than in the old unit;
 * - then the old unit is removed.
 */
export interface Migration {
  readonly from: string;
  readonly to: string;
  /** Whether to have the pattern retyped before activation. */
  readonly ask: boolean;
}

/** @returns the unit that stays. */
export async function migrate(client: ClavigerClient, migration: Migration): Promise<UnitView> {
  const { from, to } = migration;
  const old = await client.units.get(from);
  const next = await client.units.get(to);
  const changes = (await Array.fromAsync(client.changes.all())).filter(({ group }) => group === old.group);
  const open = changes.find(isOpen);
  refuseUnready(old, next);
  const reason = `it is being replaced by unit ${to}`;
  const isBegun = old.state === "quarantined" && old.reason === reason;
  if (!isBegun) {
    refuseUnfinished(changes);
    note(`Unit ${from} is put into quarantine.`);
    await client.units.quarantine(from, reason);
  }
  if (open || currentOf(old) === currentOf(next)) {
    const { group } = old;
    await carryThrough(client, open ?? (await client.changes.create({ group })), migration);
  }
  note(`Unit ${from} is removed.`);
  await client.units.remove(from);
  return await client.units.get(to);
}

/** Both must show their registers: they say how far it is. */
function refuseUnready(old: UnitView, next: UnitView): void {
  const { address, group, state, reachable } = next;
  const fail = (message: string, advice: string) => {
    throw refusal("migration-refused", message, advice);
  };
  if (address === old.address || group !== old.group)
    fail(`Units ${old.address} and ${address} are not two of one group.`, "Name two units of one group.");
  if (state !== "serving" || !reachable)
    fail(`Unit ${address} does not serve.`, "See `claviger unit show` for the reason.");
  if (!old.reachable)
    fail(
      `Unit ${old.address} does not answer.`,
      "Others serve without it: take it out with `claviger unit remove`, then change the master key.",
    );
}

/** `changes` has the newest first. */
function refuseUnfinished(changes: readonly ChangeView[]): void {
  const last = changes.find(({ state }) => state !== "CANCELED");
  if (last?.state === "DONE")
    throw refusal(
      "change-not-ready",
      `Change ${last.id} is DONE, and its old master key is kept: another change would push it out of OLD.`,
      "Purge it first: `claviger change purge`.",
    );
  if (last && isOpen(last))
    throw refusal("change-open", `Change ${last.id} is open.`, "Finish or cancel it first.");
}

/** Every step waits for the state that the next one needs; one that is behind it already is left out. */
async function carryThrough(client: ClavigerClient, opened: ChangeView, migration: Migration): Promise<void> {
  const { id } = opened;
  let change = opened;
  const step = async (until: Parameters<typeof waitShowing>[2], send?: () => Promise<unknown>) => {
    await send?.();
    change = await waitShowing(client, id, until);
  };
  if (change.state === "PLANNED") await step("STAGED", () => loadNew(client, change, migration.to));
  if (change.state === "STAGED") await step("READY", () => client.changes.reencipher(id));
  if (change.state === "REENCIPHERING") await step("READY");
  if (change.state === "READY") {
    const vp = migration.ask ? await confirmedPattern(client, id) : (change.to ?? "");
    await step(isVerified, () => client.changes.activate(id, { vp }));
  }
  if (!isVerified(change)) await step(isVerified);
  if (change.state === "ACTIVATED") await finalizeWhenVerified(client, id);
  await step("DONE");
}

/** NEW is made by the unit that stays, and copied to others that serve beside it. */
async function loadNew(client: ClavigerClient, { group, type }: ChangeView, to: string): Promise<void> {
  const newOf = (unit: UnitView) => unit.registers.find((held) => held.type === type)?.NEW;
  const held = newOf(await client.units.get(to));
  const [made] = held?.vp ? [] : await client.masterKeys.generate({ group, type, unit: to });
  const vp = held?.vp ?? made?.registers.NEW.vp ?? "";
  const lacking = (await client.units.list()).filter(
    (unit) => unit.group === group && unit.state === "serving" && newOf(unit)?.vp !== vp,
  );
  if (lacking.length > 0)
    await client.masterKeys.copy({ group, type, from: to, to: lacking.map(({ address }) => address) });
  await client.masterKeys.commit({ group, type, vp });
}

function currentOf({ registers }: UnitView): string | null | undefined {
  return registers[0]?.CURRENT.vp;
}

function refusal(code: string, message: string, advice: string): ClavigerError {
  return new ClavigerError({ code, category: "precondition", message, advice });
}
