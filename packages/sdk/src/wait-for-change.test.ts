import { describe, expect, it } from "vitest";
import type { ChangeView } from "@claviger/api";
import { isVerified } from "./change-states.ts";
import { ClavigerClient } from "./client.ts";
import { ScriptedServer, refusal } from "./testing/scripted-server.ts";

const progress = { keks: 10, lacking: 10, failed: 0, verified: [] };
const change = (state: ChangeView["state"], more: Partial<ChangeView> = {}) => ({
  json: { id: "c-1", state, paused: false, approval: null, blockedReason: null, progress, ...more },
});

async function waiting(
  script: Parameters<typeof ScriptedServer.start>,
  ...how: Parameters<typeof ClavigerClient.prototype.waitForChange> extends [string, ...infer Rest]
    ? Rest
    : never
) {
  await using server = await ScriptedServer.start(...script);
  using client = new ClavigerClient({ address: server.address, token: "t", retries: 0 });
  const [until, options] = how;
  return await client.waitForChange("c-1", until, { pollMs: 20, ...options });
}

describe("waitForChange", () => {
  it("returns the change in its state, and shows every look on the way", async () => {
    const seen: string[] = [];
    const onProgress = ({ state }: ChangeView) => void seen.push(state);
    const reached = await waiting(
      [change("REENCIPHERING"), change("REENCIPHERING"), change("READY")],
      "READY",
      { onProgress },
    );
    expect(reached.state).toBe("READY");
    expect(seen).toEqual(["REENCIPHERING", "REENCIPHERING", "READY"]);
  });

  it("takes a change that has gone on as having been there", async () => {
    expect((await waiting([change("ACTIVATING")], "READY")).state).toBe("ACTIVATING");
  });

  it("waits for a condition: every KEK verified on every unit", async () => {
    const verified = (complete: boolean) => [{ unit: "00.0001", opened: 10, complete }];
    const reached = await waiting(
      [
        change("ACTIVATING", { progress: { ...progress, verified: verified(true) } }),
        change("ACTIVATED", { progress: { ...progress, verified: verified(false) } }),
        change("ACTIVATED", { progress: { ...progress, verified: verified(true) } }),
      ],
      isVerified,
    );
    expect(reached.progress.verified).toEqual(verified(true));
  });

  it("is refused with `change-ended` when the change ended elsewhere", async () => {
    await expect(waiting([change("CANCELING"), change("CANCELED")], "READY")).rejects.toMatchObject({
      code: "change-ended",
    });
    await expect(waiting([change("DONE")], "CANCELED")).rejects.toMatchObject({ code: "change-ended" });
  });

  it("waits beyond DONE for PURGED", async () => {
    expect((await waiting([change("DONE"), change("PURGED")], "PURGED")).state).toBe("PURGED");
  });

  it("ends with the reason when the change stays blocked, or paused, for as long as it was told", async () => {
    const blocked = change("REENCIPHERING", { blockedReason: "unit 00.0002 does not answer" });
    await expect(waiting([blocked], "READY", { patienceMs: 60 })).rejects.toMatchObject({
      category: "blocked",
      message: "Change c-1 is blocked in REENCIPHERING: unit 00.0002 does not answer",
    });
    await expect(
      waiting([change("REENCIPHERING", { paused: true })], "READY", { patienceMs: 0 }),
    ).rejects.toMatchObject({
      code: "change-blocked",
    });
  });

  it("ends with `approval-pending` when nobody approves what was asked for", async () => {
    const requestedAt = "2026-01-01T00:00:00Z";
    const approval = {
      action: "purge",
      inSpiteOf: [] as string[],
      requestedBy: "anna",
      requestedAt,
      approvedBy: null,
    } as const;
    const pending = change("DONE", { approval });
    const approved = change("DONE", { approval: { ...approval, approvedBy: "otto" } });
    await expect(waiting([pending], "PURGED", { patienceMs: 0 })).rejects.toMatchObject({
      code: "approval-pending",
      category: "blocked",
    });
    expect((await waiting([approved, change("PURGED")], "PURGED", { patienceMs: 0 })).state).toBe("PURGED");
  });

  it("waits on when what blocked it is gone, and through a restart of the service", async () => {
    const blocked = change("REENCIPHERING", { blockedReason: "no unit" });
    const away = refusal(503, "stopping", "unavailable");
    expect((await waiting([blocked, change("REENCIPHERING"), away, change("READY")], "READY")).state).toBe(
      "READY",
    );
  });

  it("ends with the refusal when the service is away for longer, and with every other refusal at once", async () => {
    const away = refusal(503, "stopping", "unavailable");
    await expect(waiting([away], "READY", { patienceMs: 40 })).rejects.toMatchObject({ code: "stopping" });
    await expect(waiting([refusal(404, "change-not-found", "absent")], "READY")).rejects.toMatchObject({
      code: "change-not-found",
    });
  });

  it("ends with the signal's reason", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), 30);
    await expect(waiting([change("REENCIPHERING")], "READY", { signal: controller.signal })).rejects.toBe(
      reason,
    );
  });
});
