import { describe, expect, it } from "vitest";
import { ClavigerClient } from "./client.ts";
import { ClavigerError } from "./claviger-error.ts";
import { ScriptedServer, refusal } from "./testing/scripted-server.ts";

async function errorOf(...script: Parameters<typeof ScriptedServer.start>): Promise<ClavigerError> {
  await using server = await ScriptedServer.start(...script);
  using client = new ClavigerClient({ address: server.address, token: "t", retries: 0 });
  const error: unknown = await client.status().catch((reason: unknown) => reason);
  if (!(error instanceof ClavigerError)) throw new Error("no ClavigerError", { cause: error });
  return error;
}

describe("ClavigerError", () => {
  it("carries what the service said, and the status", async () => {
    const error = await errorOf(refusal(400, "invalid-request", "invalid", { field: "name" }));
    expect(error.toJSON()).toEqual({
      error: {
        code: "invalid-request",
        category: "invalid",
        message: "It is invalid-request.",
        advice: "Do this.",
        field: "name",
        requestId: "req-1",
        status: 400,
      },
    });
    expect(error.message).toBe("It is invalid-request.");
  });

  it("is `reply-not-understood` when something else answers, whatever the status", async () => {
    for (const answer of [
      { text: "<html>" },
      { status: 404, text: "<html>" },
      { status: 302 },
      { status: 400, json: { error: "no" } },
    ]) {
      const error = await errorOf(answer);
      expect(error).toMatchObject({ code: "reply-not-understood", category: "internal", requestId: null });
    }
  });

  it("never quotes a reply that it cannot read, which may hold a key", async () => {
    const error = await errorOf({ text: '{"plaintext":"c2VjcmV0",' });
    expect(JSON.stringify(error) + String(error.stack) + String(error.cause)).not.toContain("c2VjcmV0");
  });
});
