import { describe, expect, expectTypeOf, it } from "vitest";
import type { ChangeView, KeyView } from "@claviger/api";
import { ClavigerClient } from "./client.ts";
import { ScriptedServer } from "./testing/scripted-server.ts";

const key = { project: "alpha", key: "main" };
const bytes = (text: string) => new TextEncoder().encode(text);

describe("the client", () => {
  it("sends plaintext and ciphertext as base64 and returns bytes", async () => {
    const used = { keyId: "k", keyVersion: 2 };
    await using server = await ScriptedServer.start(
      { json: { ...used, ciphertext: "/+8=" } },
      { json: { ...used, plaintext: "aGVsbG8=" } },
      { json: { ...used, plaintext: "AAE=", ciphertext: "/+8=" } },
    );
    using client = new ClavigerClient({ address: server.address, token: "t" });
    const context = { app: "billing" };
    const ciphertext = Uint8Array.of(0xff, 0xef);
    expect(await client.keys.encrypt({ ...key, plaintext: bytes("hello"), context })).toEqual({
      ...used,
      ciphertext,
    });
    expect(await client.keys.decrypt({ project: "alpha", ciphertext })).toEqual({
      ...used,
      plaintext: bytes("hello"),
    });
    expect(await client.keys.generateDataKey(key)).toEqual({
      ...used,
      plaintext: Uint8Array.of(0, 1),
      ciphertext,
    });
    expect(server.asked.map(({ method, url, body }) => `${method} ${url} ${body}`)).toEqual([
      'POST /v1/projects/alpha/keys/main/encrypt {"plaintext":"aGVsbG8=","context":{"app":"billing"}}',
      'POST /v1/projects/alpha/decrypt {"ciphertext":"/+8="}',
      "POST /v1/projects/alpha/keys/main/data-key {}",
    ]);
  });

  it("sends the token with every request, and a content type only with a body", async () => {
    await using server = await ScriptedServer.start({});
    using client = new ClavigerClient({ address: server.address, token: "clv_secret" });
    await client.keys.rotate(key);
    await client.projects.create({ name: "alpha" });
    expect(server.asked.map(({ headers }) => [headers.authorization, headers["content-type"]])).toEqual([
      ["Bearer clv_secret", undefined],
      ["Bearer clv_secret", "application/json"],
    ]);
  });

  it("writes parameters as one segment and leaves out what is undefined", async () => {
    await using server = await ScriptedServer.start({ json: { items: [], next: null } });
    using client = new ClavigerClient({ address: `${server.address}/kms`, token: "t" });
    await client.keys.list({ project: "a/b?c", limit: 5, after: undefined });
    await client.census({ group: undefined });
    expect(server.asked.map(({ url }) => url)).toEqual([
      "/kms/v1/projects/a%2Fb%3Fc/keys?limit=5",
      "/kms/v1/census",
    ]);
  });

  it.each(["", ".", ".."])("refuses %j as a name: it would be another path", async (project) => {
    using client = new ClavigerClient({ address: "http://127.0.0.1:9", token: "t" });
    await expect(client.keys.get({ project, key: "main" })).rejects.toMatchObject({
      code: "invalid-request",
      field: "project",
    });
  });

  it("goes through every page, one after the other", async () => {
    await using server = await ScriptedServer.start(
      { json: { items: [{ name: "a" }, { name: "b" }], next: "b" } },
      { json: { items: [{ name: "c" }], next: null } },
    );
    using client = new ClavigerClient({ address: server.address, token: "t" });
    const names: string[] = [];
    for await (const project of client.projects.all()) names.push(project.name);
    expect(names).toEqual(["a", "b", "c"]);
    expect(server.asked.map(({ url }) => url)).toEqual([
      "/v1/projects?limit=1000",
      "/v1/projects?limit=1000&after=b",
    ]);
  });

  it("uses a connection again", async () => {
    const ports = new Set<number | undefined>();
    await using server = await ScriptedServer.start((response) => {
      ports.add(response.socket?.remotePort);
      response.end("{}");
    });
    using client = new ClavigerClient({ address: server.address, token: "t" });
    for (let call = 0; call < 5; call++) await client.status();
    expect(ports.size).toBe(1);
  });

  it("refuses an address that is not HTTP, and a token that no header can carry", () => {
    expect(() => new ClavigerClient({ address: "ftp://127.0.0.1", token: "t" })).toThrow(TypeError);
    expect(() => new ClavigerClient({ address: "http://127.0.0.1", token: "a\nb" })).toThrow(TypeError);
    expect(() => new ClavigerClient({ address: "http://127.0.0.1", token: "" })).toThrow(TypeError);
  });

  it("types every call from its row of ROUTES", () => {
    using client = new ClavigerClient({ address: "http://127.0.0.1:9", token: "t" });
    const calls = () => [
      client.call("getKey", { params: key }),
      // @ts-expect-error The route has no body, so none may be given.
      client.call("getKey", { params: key, body: {} }),
      // @ts-expect-error A key is found in its project: both parameters are needed.
      client.call("getKey", { params: { key: "main" } }),
    ];
    expectTypeOf(() => client.call("getKey", { params: key })).returns.resolves.toEqualTypeOf<KeyView>();
    expectTypeOf(() => client.changes.restore("c")).returns.resolves.toEqualTypeOf<ChangeView>();
    expect(calls).toBeTypeOf("function");
  });
});
