import { describe, expect, it } from "vitest";
import { fetchTransport } from "./fetch-transport.ts";
import { connectDefault } from "./node-transport.ts";
import { ScriptedServer, breakOff } from "./testing/scripted-server.ts";
import type { TransportRequest } from "./transport.ts";
import { TransportError } from "./transport.ts";

const get: TransportRequest = {
  method: "GET",
  path: "/v1/status",
  headers: {},
  body: null,
  signal: undefined,
};

describe.each([
  { name: "node:http", connect: connectDefault },
  { name: "fetch", connect: fetchTransport },
])("the transport over $name", ({ connect }) => {
  const to = (address: string, limits = {}) => connect(limits)(new URL(address));

  it("carries method, path, headers and body, and returns status, Retry-After and body", async () => {
    await using server = await ScriptedServer.start({
      status: 418,
      headers: { "retry-after": "7" },
      text: "tëa",
    });
    const transport = to(`${server.address}/behind/`);
    const headers = { authorization: "Bearer t", "content-type": "application/json" };
    const reply = await transport.send({
      ...get,
      method: "POST",
      path: "/v1/x%2Fy?a=b",
      headers,
      body: '{"é":1}',
    });
    expect(reply).toEqual({ status: 418, retryAfter: "7", body: "tëa" });
    expect(server.asked).toMatchObject([
      { method: "POST", url: "/behind/v1/x%2Fy?a=b", headers, body: '{"é":1}' },
    ]);
    transport.close();
  });

  it("follows no redirect, so that the token goes nowhere else", async () => {
    await using server = await ScriptedServer.start({ status: 302, headers: { location: "/elsewhere" } });
    expect((await to(server.address).send(get)).status).toBe(302);
    expect(server.asked).toHaveLength(1);
  });

  it("ends in `timeout` when no whole reply comes in time", async () => {
    await using server = await ScriptedServer.start((response) => response.writeHead(200).write("{"));
    await expect(to(server.address, { timeoutMs: 50 }).send(get)).rejects.toMatchObject({ fault: "timeout" });
  });

  it("ends in `too-large` at a reply beyond the limit", async () => {
    await using server = await ScriptedServer.start({ text: "x".repeat(1001) }, { text: "x".repeat(1000) });
    const transport = to(server.address, { replyLimitBytes: 1000 });
    await expect(transport.send(get)).rejects.toMatchObject({ fault: "too-large" });
    expect((await transport.send(get)).body).toHaveLength(1000);
  });

  it("ends in `lost` when the connection breaks before or within the reply", async () => {
    await using server = await ScriptedServer.start(breakOff, (response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("{", () => response.socket?.destroy());
    });
    const transport = to(server.address);
    await expect(transport.send(get)).rejects.toMatchObject({ fault: "lost" });
    await expect(transport.send(get)).rejects.toMatchObject({ fault: "lost" });
  });

  it("ends in `refused` where nobody listens, and in `unreachable` where the name is unknown", async () => {
    const server = await ScriptedServer.start({});
    const { address } = server;
    await server.stop();
    await expect(to(address).send(get)).rejects.toMatchObject({ fault: "refused" });
    await expect(to("http://no-such-host.invalid").send(get)).rejects.toMatchObject({ fault: "unreachable" });
  });

  it("ends with the signal's reason when aborted, before and during the request", async () => {
    await using server = await ScriptedServer.start(() => undefined);
    const reason = new Error("enough");
    const transport = to(server.address);
    await expect(transport.send({ ...get, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const sent = transport.send({ ...get, signal: controller.signal });
    setTimeout(() => controller.abort(reason), 20);
    await expect(sent).rejects.toBe(reason);
  });

  it("says what is not HTTP", async () => {
    await using server = await ScriptedServer.start((response) =>
      response.socket?.end("SSH-2.0-OpenSSH\r\n"),
    );
    await expect(to(server.address).send(get)).rejects.toBeInstanceOf(TransportError);
  });
});
