import { Failure } from "../errors.ts";
import { namesVp, shownVp } from "../ids.ts";
import { advanceChange, readChange } from "../master-key-change/advance-change.ts";
import type { Change } from "../master-key-change/change.ts";
import { serving, swept } from "../master-key-change/facts.ts";
import { gatherFacts } from "../master-key-change/gather-facts.ts";
import type { ChangeInput, ChangePorts } from "./change-ports.ts";

/**
 * Begins to move every KEK's form under the target into use, once all of them were opened on every serving unit.
 * @throws Failure `change-unverified`, `pattern-not-expected`, `change-state`.
 */
export async function finalizeChange(ports: ChangePorts, input: ChangeInput): Promise<Change> {
  const change = await readChange(ports, input.change);
  if (change.state !== "ACTIVATED" || change.to === undefined) {
    throw new Failure("change-state", `change ${change.id} is ${change.state}, not ACTIVATED`);
  }
  const { to } = change;
  const expected = ports.expectedVps.get(change.group);
  if (expected && !expected.some((pattern) => namesVp(pattern, to))) {
    throw new Failure(
      "pattern-not-expected",
      `expected_vps of group ${change.group} does not name ${shownVp(to)} yet`,
    );
  }
  const facts = await gatherFacts(ports, change, { nowMs: ports.clock.nowMs(), retryNow: false });
  const waiting = serving(facts).filter((unit) => !swept(facts, unit.address));
  if (waiting.length > 0) {
    const names = waiting.map((unit) => unit.address).join(", ");
    throw new Failure("change-unverified", `not every KEK has been opened yet on ${names}`);
  }
  const finalizing = await advanceChange(
    ports,
    change,
    { name: "finalize" },
    { by: input.by, note: "every KEK opened on every serving unit" },
  );
  ports.runner.wake();
  return finalizing;
}
