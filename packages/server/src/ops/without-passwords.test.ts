import { expect, test } from "vitest";
import { withoutPasswords } from "./without-passwords.ts";

test.for([
  ["postgres://claviger:hunter2@db:5432/claviger", "postgres://claviger:[secret]@db:5432/claviger"],
  ["postgres://claviger:hun@ter2@db/claviger", "postgres://claviger:[secret]@db/claviger"],
  ["postgres://db/c?user=a&password=hunter2&sslmode=x", "postgres://db/c?user=a&password=[secret]&sslmode=x"],
  ["https://:hunter2@proxy", "https://:[secret]@proxy"],
])("takes the password out of %s", ([url = "", shown]) => {
  expect(withoutPasswords(url)).toBe(shown);
});

test.for(["postgres://claviger@db/claviger", "/var/lib/claviger", "127.0.0.1:8440", "//a:1/b@c"])(
  "leaves %s as it is",
  (text) => {
    expect(withoutPasswords(text)).toBe(text);
  },
);
