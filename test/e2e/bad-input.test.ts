import { renameSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ClavigerClient } from "@claviger/sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestDaemon } from "../daemon.ts";
import { startTestDaemon } from "../daemon.ts";

/** Wrong input to the real daemon: a stable code, a sentence that says what to do, and nothing half done. */
let daemon: TestDaemon;
let client: ClavigerClient;
let ciphertext: Buffer;

beforeAll(async () => {
  daemon = await startTestDaemon();
  client = new ClavigerClient(daemon);
  await client.projects.create({ name: "shop" });
  await client.projects.create({ name: "other" });
  for (const project of ["shop", "other"]) await client.keys.create({ project, name: "orders" });
  const plaintext = Buffer.from("4111 1111 1111 1111");
  const encrypted = await client.keys.encrypt({
    project: "shop",
    key: "orders",
    plaintext,
    context: { order: "7" },
  });
  ciphertext = Buffer.from(encrypted.ciphertext);
});

afterAll(async () => {
  client.close();
  await daemon[Symbol.asyncDispose]();
});

interface Refused {
  readonly status: number;
  readonly code: string;
  readonly field: string | undefined;
  readonly text: string;
}

/** Sends bytes as they are: what a client of somebody else's might send. */
async function send(
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<Refused> {
  const reply = await fetch(daemon.address + path, {
    method,
    headers: {
      authorization: `Bearer ${daemon.token}`,
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  const text = await reply.text();
  const { error } = JSON.parse(text) as {
    error?: { code: string; field?: string; message: string; advice: string };
  };
  expect(error?.message).toBeTruthy();
  expect(error?.advice).toBeTruthy();
  expect(text).not.toMatch(/\bat .*\.ts:|node_modules/); // no stack
  return { status: reply.status, code: error?.code ?? "", field: error?.field, text };
}

const ENCRYPT = "/v1/projects/shop/keys/orders/encrypt";
const DECRYPT = "/v1/projects/shop/decrypt";
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

describe("requests that are refused as they stand", () => {
  it.each<[string, string, string, string | undefined, number, string, string?]>([
    ["an unknown field", "POST", ENCRYPT, '{"plaintext":"","padding":1}', 400, "invalid-request", "padding"],
    ["a missing field", "POST", ENCRYPT, "{}", 400, "invalid-request", "plaintext"],
    [
      "a reason with a NUL in it",
      "POST",
      "/v1/units/01.0001/quarantine",
      '{"reason":"a\\u0000b"}',
      400,
      "invalid-request",
      "reason",
    ],
    ["no JSON", "POST", ENCRYPT, "{", 400, "invalid-request"],
    ["a prototype", "POST", ENCRYPT, '{"plaintext":"","__proto__":{"a":"b"}}', 400, "invalid-request"],
    ["a number for base64", "POST", ENCRYPT, '{"plaintext":7}', 400, "invalid-request", "plaintext"],
    ["base64 without padding", "POST", ENCRYPT, '{"plaintext":"YQ"}', 400, "invalid-request", "plaintext"],
    ["base64url", "POST", ENCRYPT, '{"plaintext":"-_-_"}', 400, "invalid-request", "plaintext"],
    [
      "65,537 bytes of plaintext",
      "POST",
      ENCRYPT,
      JSON.stringify({ plaintext: base64(Buffer.alloc(65_537)) }),
      400,
      "invalid-request",
      "plaintext",
    ],
    [
      "a body over the limit",
      "POST",
      ENCRYPT,
      JSON.stringify({ plaintext: "A".repeat(140_000) }),
      413,
      "body-too-large",
    ],
    [
      "a context that is no map",
      "POST",
      ENCRYPT,
      '{"plaintext":"","context":["a"]}',
      400,
      "invalid-request",
      "context",
    ],
    [
      "a context value that is no text",
      "POST",
      ENCRYPT,
      '{"plaintext":"","context":{"a":1}}',
      400,
      "invalid-request",
    ],
    [
      "a context name with a line feed and nesting",
      "POST",
      ENCRYPT,
      '{"plaintext":"","context":{"a\\nb":[[1]]}}',
      400,
      "invalid-request",
    ],
    [
      "65 pairs of context",
      "POST",
      ENCRYPT,
      JSON.stringify({
        plaintext: "",
        context: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ""])),
      }),
      400,
      "invalid-request",
      "context",
    ],
    [
      "a context over 8 KiB",
      "POST",
      ENCRYPT,
      JSON.stringify({ plaintext: "", context: { a: "x".repeat(4096), b: "x".repeat(4096), c: "x" } }),
      400,
      "invalid-request",
      "context",
    ],
    [
      "a lone surrogate",
      "POST",
      ENCRYPT,
      '{"plaintext":"","context":{"a":"\\ud800"}}',
      400,
      "invalid-request",
      "context",
    ],
    ["no ciphertext at all", "POST", DECRYPT, '{"ciphertext":""}', 400, "ciphertext-refused"],
    [
      "a ciphertext of zeros",
      "POST",
      DECRYPT,
      JSON.stringify({ ciphertext: base64(Buffer.alloc(200)) }),
      400,
      "ciphertext-refused",
    ],
    [
      "a project that is not there",
      "POST",
      "/v1/projects/nowhere/decrypt",
      '{"ciphertext":""}',
      404,
      "project-not-found",
    ],
    [
      "the reserved project",
      "GET",
      "/v1/projects/00000000-0000-4000-8000-00000000c1a5/keys",
      undefined,
      404,
      "project-not-found",
    ],
    ["a key that is not there", "GET", "/v1/projects/shop/keys/nothing", undefined, 404, "key-not-found"],
    ["a name with capitals", "POST", "/v1/projects", '{"name":"Shop"}', 400, "invalid-request", "name"],
    [
      "a name that could be an id",
      "POST",
      "/v1/projects",
      '{"name":"00000000-0000-4000-8000-000000000001"}',
      400,
      "invalid-request",
      "name",
    ],
    ["a name that is taken", "POST", "/v1/projects", '{"name":"shop"}', 409, "project-exists"],
    ["a key name that is taken", "POST", "/v1/projects/shop/keys", '{"name":"orders"}', 409, "key-exists"],
    [
      "a data key of 15 bytes",
      "POST",
      "/v1/projects/shop/keys/orders/data-key",
      '{"lengthBytes":15}',
      400,
      "invalid-request",
      "lengthBytes",
    ],
    ["a page of 1001", "GET", "/v1/projects?limit=1001", undefined, 400, "invalid-request", "limit"],
    ["a page after nothing", "GET", "/v1/projects?after=x", undefined, 400, "invalid-request", "after"],
    ["an unknown query", "GET", "/v1/projects?order=name", undefined, 400, "invalid-request", "order"],
    ["a unit that is not there", "GET", "/v1/units/07.0007", undefined, 404, "unit-not-found"],
    ["an address that is none", "GET", "/v1/units/7.7", undefined, 400, "invalid-request"],
    ["the last unit's removal", "DELETE", "/v1/units/01.0001", undefined, 412, "unit-needed"],
    [
      "the last unit's quarantine",
      "POST",
      "/v1/units/01.0001/quarantine",
      '{"reason":"test"}',
      412,
      "unit-needed",
    ],
    ["a taken unit address", "POST", "/v1/units", '{"address":"01.0001"}', 409, "unit-exists"],
    [
      "a change that is not there",
      "GET",
      "/v1/changes/00000000-0000-4000-8000-000000000000",
      undefined,
      404,
      "change-not-found",
    ],
    [
      "commit of a pattern nobody has",
      "POST",
      "/v1/master-keys/commit",
      JSON.stringify({ vp: "0".repeat(32) }),
      412,
      "register-pattern-mismatch",
      "vp",
    ],
    [
      "commit of 8 bytes of a pattern",
      "POST",
      "/v1/master-keys/commit",
      JSON.stringify({ vp: "0".repeat(16) }),
      400,
      "invalid-request",
      "vp",
    ],
    ["copy of an empty register", "POST", "/v1/master-keys/copy", "{}", 412, "register-state"],
    ["a route that is not there", "GET", "/v1/nothing", undefined, 404, "route-not-found"],
  ])("%s", async (_what, method, path, body, status, code, field) => {
    const refused = await send(method, path, body);
    expect([refused.status, refused.code]).toEqual([status, code]);
    if (field !== undefined) expect(refused.field).toContain(field);
  });

  it("no token, a wrong token, a token in the wrong scheme", async () => {
    for (const authorization of ["", "Bearer clv_wrong", `Basic ${daemon.token}`]) {
      const { status, code } = await send("GET", "/v1/status", undefined, { authorization });
      expect([status, code]).toEqual([401, "unauthenticated"]);
    }
  });
});

describe("a ciphertext is refused with one code, whatever does not fit", () => {
  const decrypt = (bytes: Uint8Array, context: object = { order: "7" }, project = "shop") =>
    send("POST", `/v1/projects/${project}/decrypt`, JSON.stringify({ ciphertext: base64(bytes), context }));

  it("opens as it is, with its context in any order", async () => {
    const opened = await client.keys.decrypt({ project: "shop", ciphertext, context: { order: "7" } });
    expect(Buffer.from(opened.plaintext).toString()).toBe("4111 1111 1111 1111");
  });

  it("any byte changed", async () => {
    for (let i = 0; i < ciphertext.length; i += 1) {
      const changed = Buffer.from(ciphertext);
      changed.writeUInt8(changed.readUInt8(i) ^ 1, i);
      expect((await decrypt(changed)).code).toBe("ciphertext-refused");
    }
  });

  it("any truncation, or a byte more", async () => {
    for (let length = 0; length < ciphertext.length; length += 7) {
      expect((await decrypt(ciphertext.subarray(0, length))).code).toBe("ciphertext-refused");
    }
    expect((await decrypt(Buffer.concat([ciphertext, Buffer.from([0])]))).code).toBe("ciphertext-refused");
  });

  it("another context, none, more of it; another project", async () => {
    for (const context of [{}, { order: "8" }, { Order: "7" }, { order: "7", more: "" }]) {
      expect((await decrypt(ciphertext, context)).code).toBe("ciphertext-refused");
    }
    expect((await decrypt(ciphertext, { order: "7" }, "other")).code).toBe("ciphertext-refused");
  });

  it("the refusal says nothing of the ciphertext", async () => {
    const { text } = await decrypt(Buffer.concat([ciphertext, Buffer.from([0])]));
    expect(text).not.toContain(base64(ciphertext).slice(0, 24));
  });
});

it("a disabled key is refused for every use, and works again when it is enabled", async () => {
  const named = { project: "shop", key: "orders" };
  await client.keys.disable(named);
  const plaintext = Buffer.from("x");
  for (const use of [
    () => client.keys.encrypt({ ...named, plaintext }),
    () => client.keys.decrypt({ project: "shop", ciphertext, context: { order: "7" } }),
    () => client.keys.generateDataKey(named),
    () => client.keys.rotate(named),
  ]) {
    await expect(use()).rejects.toMatchObject({ code: "key-disabled", status: 409 });
  }
  await client.keys.enable(named);
  await expect(client.keys.encrypt({ ...named, plaintext })).resolves.toBeDefined();
});

describe("rows that somebody has changed in the database", () => {
  const edit = (sql: string, ...values: (string | number)[]) => {
    const db = new DatabaseSync(join(daemon.folder, "store", "claviger.db"));
    const { changes } = db.prepare(sql).run(...values);
    db.close();
    expect(changes).toBe(1);
  };
  const restart = async () => {
    await daemon.daemon.stop();
    const again = await startTestDaemon({ folder: daemon.folder });
    const parent = daemon;
    daemon = {
      ...again,
      [Symbol.asyncDispose]: () => again.daemon.stop().then(() => parent[Symbol.asyncDispose]()),
    };
    client.close();
    client = new ClavigerClient(daemon);
  };

  it("a key that was enabled behind the service's back is not used", async () => {
    await client.keys.create({ project: "shop", name: "retired" });
    await client.keys.disable({ project: "shop", key: "retired" });
    edit("UPDATE keys SET state = 'enabled' WHERE name = ?", "retired");
    await restart();
    await expect(client.keys.generateDataKey({ project: "shop", key: "retired" })).rejects.toMatchObject({
      code: "record-not-vouched",
      status: 500,
    });
    await expect(client.keys.get({ project: "shop", key: "orders" })).resolves.toBeDefined();
  });

  it("a key moved to another project is not used", async () => {
    await client.keys.create({ project: "shop", name: "moved" });
    const { id } = await client.call("createProject", { body: { name: "thief" } });
    edit("UPDATE keys SET project_id = ? WHERE name = ?", id, "moved");
    await restart();
    await expect(client.keys.generateDataKey({ project: "thief", key: "moved" })).rejects.toMatchObject({
      code: "record-not-vouched",
    });
  });

  it("a principal that gave itself a role is nobody", async () => {
    const { token } = await client.principals.create({ name: "climber", grants: [{ role: "auditor" }] });
    edit(`UPDATE principals SET grants = '[{"role":"administrator"}]' WHERE name = ?`, "climber");
    using climber = new ClavigerClient({ address: daemon.address, token });
    await expect(climber.status()).rejects.toMatchObject({ code: "record-not-vouched" });
  });

  it("a KEK moved to another project does not open there", async () => {
    const { id } = await client.projects.create({ name: "mover" });
    edit("UPDATE projects SET kek_id = (SELECT kek_id FROM projects WHERE name = 'other') WHERE id = ?", id);
    await restart();
    const key = await client.keys.create({ project: "mover", name: "k" }).catch((error: unknown) => error);
    expect(key).toMatchObject({ code: "kek-not-opened" });
  });
});

describe("a master-key change out of turn", () => {
  it("refuses what does not fit its state, names who is in the way, and goes on", async () => {
    const change = await client.changes.create();
    await expect(client.changes.create()).rejects.toMatchObject({
      code: "change-open",
      message: expect.stringContaining(change.id) as string,
    });
    await expect(client.changes.create()).rejects.toMatchObject({
      message: expect.stringContaining("administrator") as string,
    });
    await expect(client.changes.reencipher(change.id)).rejects.toMatchObject({ code: "change-not-ready" });
    const [filled] = await client.masterKeys.generate();
    const vp = filled?.registers.NEW.vp ?? "";
    await expect(client.masterKeys.generate()).rejects.toMatchObject({ code: "register-state" });
    await expect(client.changes.activate(change.id, { vp })).rejects.toMatchObject({ code: "change-state" });
    await client.masterKeys.commit({ vp });
    await client.changes.reencipher(change.id);
    await expect(client.masterKeys.clearNew({ vp })).rejects.toMatchObject({
      code: "register-command-refused",
    });
    await expect(client.changes.restore(change.id)).rejects.toMatchObject({ code: "change-state" });
    await client.waitForChange(change.id, "READY");
    await expect(client.changes.activate(change.id, { vp: "f".repeat(32) })).rejects.toMatchObject({
      code: "register-pattern-mismatch",
      field: "vp",
    });
    await expect(client.changes.finalize(change.id)).rejects.toMatchObject({ code: "change-state" });

    const inUse = { project: "shop", key: "orders", plaintext: Buffer.from("x") };
    await client.keys.encrypt(inUse);
    const unit = join(daemon.folder, "units", "01.0001.unit");
    renameSync(unit, `${unit}.away`);
    await expect(client.changes.activate(change.id, { vp })).rejects.toMatchObject({
      code: "change-not-ready",
    });
    await expect(client.masterKeys.copy()).rejects.toMatchObject({ category: "precondition" });
    await expect(client.keys.encrypt(inUse)).resolves.toBeDefined();
    await expect(client.keys.encrypt({ ...inUse, project: "other" })).rejects.toMatchObject({
      code: "no-serving-unit",
      status: 503,
    });
    renameSync(`${unit}.away`, unit);

    await client.changes.activate(change.id, { vp });
    await client.waitForChange(change.id, "ACTIVATED");
    await expect(client.changes.cancel(change.id)).rejects.toMatchObject({ code: "change-state" });
    await expect(client.changes.purge(change.id)).rejects.toMatchObject({ code: "change-state" });
    await expect(client.changes.approve(change.id)).rejects.toMatchObject({ code: "approval-missing" });
  });
});
