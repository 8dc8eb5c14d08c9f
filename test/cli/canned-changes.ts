import { randomUUID } from "node:crypto";
import type { ChangeStateName, ChangeView, RouteName } from "@claviger/api";
import type { Handlers } from "./canned-reply.ts";
import { Refusal, now } from "./canned-reply.ts";
import type { Registers } from "./canned-units.ts";

type OfChanges = Extract<RouteName, `${string}Change` | "listChanges">;

const KEKS = 12_000;

/**
 * Changes that take one step each time somebody looks. A change with `rowsPerSecond` 1 gets blocked while it
 * re-enciphers. The first `finalize` is refused as unverified.
 */
export function changeHandlers(registers: Registers): Handlers<OfChanges> {
  const changes = new Map<string, ChangeView>();
  const enter = (change: ChangeView, state: ChangeStateName): ChangeView => {
    change.state = state;
    change.history.push({ at: now(), state, by: "admin", note: "" });
    return change;
  };
  const found = (id: string): ChangeView => {
    const change = changes.get(id);
    if (change === undefined)
      throw new Refusal(
        404,
        "change-not-found",
        "absent",
        "There is no such master-key change.",
        "List the changes with `claviger change list`.",
      );
    return change;
  };
  const from = (id: string, state: ChangeStateName, to: ChangeStateName): ChangeView => {
    const change = found(id);
    if (change.state !== state) {
      throw new Refusal(
        409,
        "change-state",
        "conflict",
        `The change is ${change.state}, and this needs ${state}.`,
        "See where it stands with `claviger change show`.",
      );
    }
    return enter(change, to);
  };
  const verified = (change: ChangeView, complete: boolean) => {
    change.progress.verified = [{ unit: "01.0001", opened: complete ? KEKS : KEKS / 2, complete }];
  };
  const steps: Partial<Record<ChangeStateName, (change: ChangeView) => void>> = {
    PLANNED: (change) => {
      const to = registers()[0]?.NEW;
      if (to?.state !== "full committed") return;
      change.to = to.vp;
      enter(change, "STAGED");
    },
    REENCIPHERING: (change) => {
      if (change.paused || change.blockedReason !== null) return;
      change.progress.lacking = Math.max(0, change.progress.lacking - KEKS / 2);
      if (change.progress.lacking === 0) enter(change, "READY");
    },
    ACTIVATING: (change) => {
      for (const held of registers()) {
        held.OLD = { ...held.CURRENT };
        held.CURRENT = { state: "valid", vp: held.NEW.vp };
        held.NEW = { state: "empty", vp: null };
      }
      enter(change, "ACTIVATED");
      verified(change, false);
    },
    ACTIVATED: (change) => verified(change, true),
    FINALIZING: (change) => void enter(change, "DONE"),
    CANCELING: (change) => void enter(change, "CANCELED"),
  };
  let finalizeAsked = 0;

  return {
    planChange: () => ({
      group: "default",
      type: "WK",
      from: registers()[0]?.CURRENT.vp ?? null,
      to: registers()[0]?.NEW.vp ?? null,
      keks: KEKS,
      sampled: 100,
      sampleFailed: 0,
      estimatedSeconds: 0.8,
      obstacles:
        registers()[0]?.NEW.state === "full committed"
          ? []
          : [
              {
                what: "Unit 01.0001 has no committed NEW.",
                advice: "Commit it with `claviger master-key commit`.",
                unit: "01.0001",
                overridable: false,
              },
            ],
    }),
    createChange: ({ body }) => {
      const open = [...changes.values()].find(({ state }) => !["DONE", "PURGED", "CANCELED"].includes(state));
      if (open !== undefined)
        throw new Refusal(
          409,
          "change-open",
          "conflict",
          `Change ${open.id} of admin is open for this group and type.`,
          "Finish or cancel that change first.",
        );
      const change: ChangeView = {
        id: randomUUID(),
        group: "default",
        type: "WK",
        state: "PLANNED",
        from: registers()[0]?.CURRENT.vp ?? "",
        to: null,
        expectedVp: body.expectedVp ?? null,
        restores: null,
        openedBy: "admin",
        openedAt: now(),
        paused: false,
        freeze: body.freeze ?? "none",
        rowsPerSecond: body.rowsPerSecond ?? null,
        blockedReason: null,
        progress: { keks: KEKS, lacking: KEKS, failed: 0, verified: [] },
        failures: [],
        approval: null,
        history: [],
      };
      changes.set(change.id, change);
      return enter(change, "PLANNED");
    },
    listChanges: () => ({ items: [...changes.values()].toReversed(), next: null }),
    getChange: ({ params }) => {
      const change = found(params.change);
      steps[change.state]?.(change);
      return change;
    },
    reencipherChange: ({ params }) => {
      const change = found(params.change);
      steps.PLANNED?.(change);
      from(params.change, "STAGED", "REENCIPHERING");
      if (change.rowsPerSecond === 1) change.blockedReason = "unit 01.0001 does not answer";
      return change;
    },
    pauseChange: ({ params }) => Object.assign(found(params.change), { paused: true }),
    resumeChange: ({ params }) => Object.assign(found(params.change), { paused: false, blockedReason: null }),
    activateChange: ({ params, body }) => {
      if (found(params.change).to?.startsWith(body.vp) !== true) {
        throw new Refusal(
          412,
          "register-pattern-mismatch",
          "precondition",
          "The register holds a master key with another verification pattern.",
          "Compare the pattern with what the custodians agreed on before you go on.",
        );
      }
      return from(params.change, "READY", "ACTIVATING");
    },
    finalizeChange: ({ params }) => {
      finalizeAsked += 1;
      if (finalizeAsked === 1) {
        throw new Refusal(
          412,
          "change-unverified",
          "precondition",
          "6,000 of 12,000 KEKs have not been opened yet.",
          "Wait: verification runs by itself; `--wait` waits for it.",
        );
      }
      return from(params.change, "ACTIVATED", "FINALIZING");
    },
    cancelChange: ({ params }) => enter(found(params.change), "CANCELING"),
    restoreChange: ({ params }) => {
      const { from: to, to: back, ...rest } = found(params.change);
      const change: ChangeView = {
        ...rest,
        id: randomUUID(),
        from: back ?? to,
        to,
        restores: params.change,
        history: [],
      };
      changes.set(change.id, change);
      return enter(change, "STAGED");
    },
    approveChange: ({ params }) => {
      const change = found(params.change);
      if (change.approval === null)
        throw new Refusal(
          404,
          "approval-missing",
          "absent",
          "Nothing waits for an approval on this change.",
          "Ask for purge or override first.",
        );
      change.approval.approvedBy = "second";
      return change;
    },
    purgeChange: ({ params }) => {
      const change = found(params.change);
      if ((change.approval?.approvedBy ?? null) === null) {
        change.approval = { action: "purge", requestedBy: "admin", requestedAt: now(), approvedBy: null };
        throw new Refusal(
          412,
          "approval-required",
          "precondition",
          "This needs the approval of a second principal.",
          "Let another principal run `claviger change approve`.",
        );
      }
      return from(params.change, "DONE", "PURGED");
    },
  };
}
