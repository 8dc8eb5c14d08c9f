import { setTimeout as sleep } from "node:timers/promises";
import { ClavigerClient, ClavigerError } from "@claviger/sdk";
import { expect, test } from "vitest";
import { systemClock } from "../../packages/server/src/core/clock.ts";
import { startTestDaemon } from "../daemon.ts";

const DAY_MS = 86_400_000;

test("tokens that ended thirty days ago are dropped, in batches, and stay refused; others stay as they are", async () => {
  let aheadMs = 0;
  const clock = {
    nowMs: () => systemClock.nowMs() + aheadMs,
    sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(Math.min(ms, 20), signal),
  };
  await using daemon = await startTestDaemon({ clock });
  using admin = new ClavigerClient(daemon);
  const grants = [{ role: "auditor" as const }];
  const { token: live } = await admin.principals.create({ name: "signed-in", grants });
  const codeOf = async (token: string): Promise<string> => {
    using client = new ClavigerClient({ address: daemon.address, token });
    try {
      return (await client.principals.whoAmI()).name;
    } catch (error) {
      if (error instanceof ClavigerError) return error.code;
      throw error;
    }
  };
  const listed = async () => (await admin.principals.listTokens("signed-in")).map(({ label }) => label);
  const made = (label: string, expiresInSeconds?: number) =>
    admin.principals.createToken("signed-in", { label, expiresInSeconds });
  const revoked = async (label: string) => {
    const { token, record } = await made(label);
    await admin.principals.revokeToken("signed-in", record.id);
    return token;
  };

  const old = await revoked("revoked first");
  const { token: expired } = await made("expires first", 3600);
  for (let i = 0; i < 600; i += 1) await made("of a sign-in", 3600);
  aheadMs = 2 * DAY_MS;
  const late = await revoked("revoked later");
  expect(await codeOf(expired)).toBe("token-expired");

  aheadMs = 31 * DAY_MS;
  while ((await listed()).length > 2) await sleep(20);
  expect(await listed()).toEqual(["first", "revoked later"]);
  expect(await codeOf(old)).toBe("unauthenticated");
  expect(await codeOf(expired)).toBe("unauthenticated"); // what was found before went with the revocation since
  expect(await codeOf(late)).toBe("token-revoked");
  expect(await codeOf(live)).toBe("signed-in");
  const trail = await admin.audit.list({ operation: "revokeToken" });
  expect(trail.items).toHaveLength(2);

  aheadMs = 33 * DAY_MS;
  while ((await listed()).length > 1) await sleep(20);
  expect(await codeOf(late)).toBe("token-revoked");
  expect(await codeOf(live)).toBe("signed-in");
});
