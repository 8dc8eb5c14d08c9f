import { Failure } from "../errors.ts";
import { readChange } from "../master-key-change/advance-change.ts";
import type { Change } from "../master-key-change/change.ts";
import { isReachable, readingOf } from "../unit/attached-units.ts";
import type { ChangeInput, ChangePorts } from "./change-ports.ts";
import { createChange } from "./create-change.ts";

/**
 * Goes back: opens a change from the target of a DONE change to the master key that it left, which is recalled from OLD
 * to NEW inside the units. Forms that KEKs kept from before are used again where they open. Repeating it goes on with
 * the change that it has opened.
 * @throws Failure `change-state`, `register-state` when a unit no longer holds the old master key in OLD.
 */
export async function restoreChange(ports: ChangePorts, input: ChangeInput): Promise<Change> {
  const done = await readChange(ports, input.change);
  if (done.state !== "DONE") {
    throw new Failure(
      "change-state",
      `change ${done.id} is ${done.state}: only a DONE change can be taken back`,
    );
  }
  const change = await changeBack(ports, done, input.by);
  await ports.units.refreshGroup(done.group);
  for (const unit of ports.units.inGroup(done.group).filter(({ record }) => record.state === "serving")) {
    const { address } = unit.record;
    if (!isReachable(unit)) throw new Failure("unit-unreachable", `unit ${address} does not answer`);
    const command = { type: done.type, vp: done.from };
    if (readingOf(unit, done.type)?.NEW.vp !== done.from)
      await ports.units.execute(address, { verb: "recall-old", ...command });
    const reading = readingOf(ports.units.find(address), done.type);
    if (reading?.NEW.state !== "full committed")
      await ports.units.execute(address, { verb: "commit", ...command });
  }
  ports.runner.wake();
  return readChange(ports, change.id);
}

async function changeBack(ports: ChangePorts, done: Change, by: string): Promise<Change> {
  const fence = await ports.store.readFence(done);
  const open = fence?.openChange && (await readChange(ports, fence.openChange));
  if (open && open.restores === done.id) return open;
  if (fence?.currentVp !== done.to) {
    throw new Failure(
      "change-state",
      "a later change has taken the place of this one: take that one back first",
    );
  }
  const { group, type, from } = done;
  const options = { freeze: "none" as const, rowsPerSecond: undefined };
  return createChange(ports, { group, type, expectedVp: from, ...options, restores: done.id, by });
}
