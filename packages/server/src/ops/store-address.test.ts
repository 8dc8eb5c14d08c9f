import { describe, expect, test } from "vitest";
import type { Failure } from "../core/errors.ts";
import { readConfig } from "./config.ts";
import { readStoreAddress, shownStoreAddress } from "./store-address.ts";

const read = (url: string) => readStoreAddress(url, "store", undefined, (path) => `/base/${path}`);
const refusalOf = (url: string): string => {
  try {
    read(url);
  } catch (error) {
    expect(error).toMatchObject({ code: "config-invalid", field: "store" });
    return (error as Failure).message;
  }
  throw new Error(`${url} was not refused`);
};

describe("the URL of a database", () => {
  const local = { port: 5432, database: "keys", user: "claviger", passwordFile: undefined, tls: undefined };

  test.each([
    ["postgres://claviger@localhost/keys", { ...local, host: "localhost" }],
    ["postgresql://claviger@127.0.0.1:6432/keys", { ...local, host: "127.0.0.1", port: 6432 }],
    ["postgres://claviger@[::1]/keys", { ...local, host: "::1" }],
    ["postgres://claviger@localhost/keys?sslmode=disable", { ...local, host: "localhost" }],
    ["postgres://claviger@/keys?host=/run/postgresql", { ...local, host: "/run/postgresql" }],
    ["postgres://claviger@%2Frun%2Fpostgresql/keys", { ...local, host: "/run/postgresql" }],
    [
      "postgres://a%40b@localhost/my%20keys",
      { ...local, host: "localhost", user: "a@b", database: "my keys" },
    ],
  ])("%s", (url, address) => {
    expect(read(url)).toEqual(address);
  });

  test("beyond this machine has TLS that tells who answers, with certificates in files", () => {
    expect(read("postgres://claviger@db.example/keys?sslmode=verify-full").tls).toEqual({
      mode: "verify-full",
      rootCertificate: undefined,
      certificate: undefined,
      key: undefined,
    });
    const all = "sslmode=verify-ca&sslrootcert=ca.pem&sslcert=c.pem&sslkey=k.pem";
    expect(read(`postgres://claviger@10.0.0.5/keys?${all}`).tls).toEqual({
      mode: "verify-ca",
      rootCertificate: "/base/ca.pem",
      certificate: "/base/c.pem",
      key: "/base/k.pem",
    });
  });

  test.each([
    ["keys", "postgres://user@host/database"],
    ["mysql://claviger@localhost/keys", "postgres://user@host/database"],
    ["postgres://claviger:hush@localhost/keys", "password"],
    ["postgres://localhost/keys", "user"],
    ["postgres://claviger@localhost", "database"],
    ["postgres://claviger@localhost/a/b", "database"],
    ["postgres://claviger@/keys", "host"],
    ["postgres://claviger@localhost/%zz", "%"],
    ["postgres://claviger@localhost/keys#x", "#"],
    ["postgres://claviger@localhost/keys?connect_timeout=1", "connect_timeout"],
    ["postgres://claviger@localhost/keys?sslmode=disable&sslmode=verify-full", "twice"],
    ["postgres://claviger@db.example/keys", "sslmode=verify-full"],
    ["postgres://claviger@192.168.1.5/keys?sslmode=disable", "sslmode=verify-full"],
    ["postgres://claviger@db.example/keys?sslmode=require", "who answers"],
    ["postgres://claviger@db.example/keys?sslmode=prefer", "who answers"],
    ["postgres://claviger@db.example/keys?sslmode=verify-full&sslcert=c.pem", "sslkey"],
    ["postgres://claviger@localhost/keys?sslrootcert=ca.pem", "sslmode"],
    ["postgres://claviger@/keys?host=/run/postgresql&sslmode=verify-full", "Unix socket"],
  ])("%s is refused, and the message says why: %s", (url, reason) => {
    const message = refusalOf(url);
    expect(message).toContain(reason);
    expect(message).not.toContain("hush");
  });

  test("is shown without its user", () => {
    expect(shownStoreAddress(read("postgres://claviger@localhost/keys"))).toBe(
      "postgres://localhost:5432/keys",
    );
    expect(shownStoreAddress(read("postgres://claviger@[::1]/keys"))).toBe("postgres://[::1]:5432/keys");
    expect(shownStoreAddress(read("postgres://claviger@/keys?host=/run"))).toBe("postgres:///keys?host=/run");
  });
});

describe("the configuration", () => {
  const url = "postgres://claviger@localhost/keys";
  const config = (env: Record<string, string>, file?: string) =>
    readConfig(env, "/srv", (path) => (path === "/srv/claviger-data/claviger.toml" ? file : undefined)).store;

  test("names the SQLite file unless it says otherwise", () => {
    expect(config({})).toBeUndefined();
  });

  test("takes the database from the environment, else from the file, and paths from where they are written", () => {
    const toml = `store = "${url}?sslmode=verify-ca&sslrootcert=ca.pem"\nstore_password_file = "db.password"`;
    expect(config({}, toml)).toMatchObject({
      host: "localhost",
      passwordFile: "/srv/claviger-data/db.password",
      tls: { rootCertificate: "/srv/claviger-data/ca.pem" },
    });
    const env = {
      CLAVIGER_STORE: "postgres://other@localhost/keys?sslmode=verify-ca&sslrootcert=ca.pem",
      CLAVIGER_STORE_PASSWORD_FILE: "my.password",
    };
    expect(config(env, toml)).toMatchObject({
      user: "other",
      passwordFile: "/srv/my.password",
      tls: { rootCertificate: "/srv/ca.pem" },
    });
  });

  test("refuses a password file without a database", () => {
    expect(() => config({ CLAVIGER_STORE_PASSWORD_FILE: "p" })).toThrow("CLAVIGER_STORE_PASSWORD_FILE");
    expect(() => config({}, 'store_password_file = "p"')).toThrow("store_password_file");
  });
});
