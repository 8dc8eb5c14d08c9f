import { describe, expect, it } from "vitest";
import { ClavigerClient } from "./client.ts";
import { fetchTransport } from "./fetch-transport.ts";
import { connectDefault } from "./node-transport.ts";
import { delayMs } from "./retry.ts";
import { ScriptedServer, breakOff, refusal } from "./testing/scripted-server.ts";

const done = { json: { id: "p", name: "alpha", createdAt: "2026-01-01T00:00:00Z" } };
const away = refusal(503, "stopping", "unavailable");

describe.each([
  { name: "node:http", transport: connectDefault() },
  { name: "fetch", transport: fetchTransport() },
])("retry over $name", { concurrent: true }, ({ transport }) => {
  const clientOf = (server: ScriptedServer) =>
    new ClavigerClient({ address: server.address, token: "t", transport });

  it("repeats a POST that the service answered with 503, at most twice", async () => {
    await using server = await ScriptedServer.start(away, away, done);
    using client = clientOf(server);
    expect(await client.projects.create({ name: "alpha" })).toEqual(done.json);
    expect(server.asked.map(({ body }) => body)).toEqual(Array(3).fill('{"name":"alpha"}'));
  });

  it("gives up after two repetitions, with the refusal", async () => {
    await using server = await ScriptedServer.start(away);
    using client = clientOf(server);
    await expect(client.status()).rejects.toMatchObject({
      code: "stopping",
      status: 503,
      requestId: "req-1",
    });
    expect(server.asked).toHaveLength(3);
  });

  it("repeats nothing with retries: 0", async () => {
    await using server = await ScriptedServer.start(away, done);
    using client = new ClavigerClient({ address: server.address, token: "t", transport, retries: 0 });
    await expect(client.status()).rejects.toMatchObject({ code: "stopping" });
    expect(server.asked).toHaveLength(1);
  });

  it("repeats no other refusal", async () => {
    await using server = await ScriptedServer.start(refusal(409, "change-open", "conflict"));
    using client = clientOf(server);
    await expect(client.changes.create()).rejects.toMatchObject({
      code: "change-open",
      category: "conflict",
    });
    expect(server.asked).toHaveLength(1);
  });

  it("repeats encrypt, decrypt, data-key and GETs when the connection is lost", async () => {
    const bytes = { keyId: "k", keyVersion: 1, plaintext: "", ciphertext: "" };
    await using server = await ScriptedServer.start(
      breakOff,
      { json: bytes },
      breakOff,
      { json: bytes },
      breakOff,
      {
        json: bytes,
      },
      breakOff,
      done,
    );
    using client = clientOf(server);
    const key = { project: "alpha", key: "main" };
    await client.keys.encrypt({ ...key, plaintext: new Uint8Array() });
    await client.keys.decrypt({ project: "alpha", ciphertext: new Uint8Array() });
    await client.keys.generateDataKey(key);
    await client.keys.get(key);
    expect(server.asked).toHaveLength(8);
  });

  it("does not repeat another POST when the connection is lost: it may have been done", async () => {
    await using server = await ScriptedServer.start(breakOff, done);
    using client = clientOf(server);
    await expect(client.projects.create({ name: "alpha" })).rejects.toMatchObject({
      code: "connection-lost",
      category: "unavailable",
      status: null,
    });
    expect(server.asked).toHaveLength(1);
  });

  it("does not take the 503 of a proxy for the promise that nothing was done", async () => {
    await using server = await ScriptedServer.start({ status: 503, text: "<h1>Bad gateway</h1>" });
    using client = clientOf(server);
    await expect(client.projects.create({ name: "alpha" })).rejects.toMatchObject({
      code: "gateway-failed",
      status: 503,
    });
    expect(server.asked).toHaveLength(1);
    await expect(client.status()).rejects.toMatchObject({ code: "gateway-failed" });
    expect(server.asked).toHaveLength(4);
  });

  it("repeats any call while the connection is refused, since nothing was sent", async () => {
    await using server = await ScriptedServer.start(done);
    const { port, address } = server;
    await server.stop();
    using client = new ClavigerClient({ address, token: "t", transport });
    const created = client.projects.create({ name: "alpha" });
    setTimeout(() => void server.listen(port), 50);
    expect(await created).toEqual(done.json);
    expect(server.asked).toHaveLength(1);
  });

  it("names the address when the connection stays refused", async () => {
    const server = await ScriptedServer.start(done);
    const { address } = server;
    await server.stop();
    using client = new ClavigerClient({ address, token: "t", transport });
    await expect(client.status()).rejects.toMatchObject({
      code: "server-unreachable",
      category: "unavailable",
      message: expect.stringContaining(address),
    });
  });
});

describe("the wait before a repetition", () => {
  it("is 0.2 s, then 1 s", () => {
    expect([delayMs(0, null, 0), delayMs(1, null, 0)]).toEqual([200, 1000]);
  });
  it("is what Retry-After says, in seconds or as a date, up to 5 s", () => {
    expect(delayMs(0, "2", 0)).toBe(2000);
    expect(delayMs(0, "3600", 0)).toBe(5000);
    expect(delayMs(0, "Thu, 01 Jan 1970 00:00:03 GMT", 1000)).toBe(2000);
    expect(delayMs(0, "Thu, 01 Jan 1970 00:00:03 GMT", 9000)).toBe(0);
  });
  it("is the usual one after a Retry-After that is neither", () => {
    expect(delayMs(0, "soon", 0)).toBe(200);
  });
});
