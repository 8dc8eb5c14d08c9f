import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfig } from "../../packages/server/src/ops/config.ts";
import type { PostgresAddress } from "../../packages/server/src/store/postgres-address.ts";
import { readPostgres } from "../../packages/server/src/store/postgres-reading.ts";
import { openPostgresStore } from "../../packages/server/src/store/postgres-store.ts";
import { refusal } from "../contracts/crypto-unit-contract.ts";
import { SCRATCH } from "../model/scratch.ts";
import { isWithout } from "../set-up/without.ts";
import type { PostgresServer } from "./server.ts";
import { selfSigned, startPostgres } from "./server.ts";

let server: PostgresServer;
let folder: string;
/** What the manual tells an administrator and an operator to write. */
const MANUAL = readFileSync(new URL("../../docs/operations/postgresql.md", import.meta.url), "utf8");
const blockOf = (language: string, containing = ""): string => {
  const blocks = [...MANUAL.matchAll(/^```(\w+)\n(.*?\n)```$/gms)];
  return blocks.find(([, of, text]) => of === language && text?.includes(containing))?.[2] ?? "";
};
const PASSWORD = /PASSWORD '(.+)'/.exec(blockOf("sql"))?.[1] ?? "";

const file = (name: string): string => join(folder, name);

describe.skipIf(isWithout("postgresql"))("the link to the database, with TLS and a password", () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(SCRATCH, "claviger-tls-"));
    server = await startPostgres({ tls: selfSigned(folder, "localhost") });
    selfSigned(folder, "another");
    writeFileSync(file("password"), `${PASSWORD}\nsecond line\n`);
    writeFileSync(file("wrong"), "battery staple\n");
    for (const statement of blockOf("sql").split(";\n")) await server.query("postgres", statement);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  const address = (
    tls: Partial<NonNullable<PostgresAddress["tls"]>>,
    over: Partial<PostgresAddress> = {},
  ): PostgresAddress => ({
    host: "localhost",
    port: server.port,
    database: "claviger",
    user: "claviger",
    passwordFile: file("password"),
    tls: {
      mode: "verify-full",
      rootCertificate: file("localhost.crt"),
      certificate: undefined,
      key: undefined,
      ...tls,
    },
    ...over,
  });

  test("what the manual says to type leaves the doctor nothing to find", async () => {
    expect(await readPostgres(address({}))).toMatchObject({
      tls: expect.stringMatching(/^TLSv1\.[23]$/) as string,
      superuser: false,
      mayCreate: true,
      othersTables: 0,
      openToAll: false,
    });
  });

  test("verify-full opens where authority and name are right, and the role owns the database only", async () => {
    const store = await openPostgresStore(address({}));
    expect(await store.listFences({})).toEqual([]);
    const [link] = await server.query<{ ssl: boolean }>(
      "claviger",
      "SELECT bool_and(ssl) AS ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'claviger'",
    );
    expect(link?.ssl).toBe(true);
    await store.close();
  });

  test("the configuration that the manual shows is one", () => {
    const toml = blockOf("toml", "store =");
    const { store } = readConfig({ CLAVIGER_CONFIG: "/etc/claviger.toml" }, "/", () => toml);
    const tls = { mode: "verify-full", rootCertificate: "/etc/db-ca.pem" };
    expect(store).toMatchObject({ user: "claviger", passwordFile: "/etc/db.password", tls });
  });

  test("verify-ca does not look at the name, verify-full does", async () => {
    const byNumber = { host: "127.0.0.1" };
    await (await openPostgresStore(address({ mode: "verify-ca" }, byNumber))).close();
    expect(await refusal(openPostgresStore(address({}, byNumber)))).toBe("store-failed");
  });

  test("another authority is refused by both", async () => {
    const rootCertificate = file("another.crt");
    for (const mode of ["verify-ca", "verify-full"] as const) {
      expect(await refusal(openPostgresStore(address({ mode, rootCertificate })))).toBe("store-failed");
    }
    expect(await refusal(openPostgresStore(address({ rootCertificate: undefined })))).toBe("store-failed");
  });

  test("a wrong password, a password file that is not there, and a link without TLS are refused", async () => {
    expect(await refusal(openPostgresStore(address({}, { passwordFile: file("wrong") })))).toBe(
      "store-refused",
    );
    expect(await refusal(openPostgresStore(address({}, { passwordFile: undefined })))).toBe("store-refused");
    expect(await refusal(openPostgresStore(address({}, { passwordFile: file("none") })))).toBe(
      "config-invalid",
    );
    expect(await refusal(openPostgresStore(address({}, { tls: undefined })))).toBe("store-refused");
    expect(await refusal(openPostgresStore(address({ rootCertificate: file("none") })))).toBe(
      "config-invalid",
    );
  });
});
