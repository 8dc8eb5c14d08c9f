import { defineConfig } from "vitest/config";

// Unit tests stand beside their file as x.test.ts; contracts, crashes, interoperation and end-to-end tests are in
// test/. Both run the same way: each file in a process of its own, because tests start daemons, lock folders and
// kill processes.
export default defineConfig({
  test: {
    include: ["packages/**/*.test.ts", "test/**/*.test.ts"],
    // What the tests need and this machine may lack, installed where that is allowed.
    globalSetup: [
      "test/set-up/postgresql.ts",
      "test/set-up/pkcs11.ts",
      "test/set-up/barbican.ts",
      "test/set-up/mariadb.ts",
      "test/set-up/sqlite3.ts",
    ],
    pool: "forks",
    maxWorkers: 2,
    // Real key derivation, real fsync and real processes take their time, more so on a busy machine.
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
