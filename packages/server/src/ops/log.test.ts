import { expect, test } from "vitest";
import { createLog } from "./log.ts";

function logged(write: (log: ReturnType<typeof createLog>) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  write(createLog("debug", { write: (line) => lines.push(line) }));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("writes one JSON object a line, with the level by name and the time by RFC 3339", () => {
  const [line] = logged((log) => log.info({ requestId: "req-1" }, "hello"));
  expect(line).toMatchObject({ level: "info", requestId: "req-1", msg: "hello", pid: process.pid });
  expect(line?.["time"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

test("writes what is at or above its level", () => {
  expect(logged((log) => log.trace("no"))).toEqual([]);
  expect(logged((log) => log.debug("yes"))).toHaveLength(1);
});

test.for(["authorization", "plaintext", "ciphertext", "token", "pin"])(
  "never writes a member named %s, at any depth down to four",
  (name) => {
    const members = { [name]: "SECRET", shown: "shown" };
    for (const object of [
      members,
      { a: members },
      { a: { b: members } },
      { req: { headers: { inner: members } } },
      { list: [members] },
    ]) {
      const text = JSON.stringify(logged((log) => log.info(object)));
      expect(text).not.toContain("SECRET");
      expect(text).toContain('"shown":"shown"');
    }
  },
);

test("child loggers redact, too", () => {
  const text = JSON.stringify(
    logged((log) => log.child({ requestId: "req-1", token: "SECRET" }).info({ pin: "SECRET" }, "x")),
  );
  expect(text).not.toContain("SECRET");
});

test("an error is written with stack, code and causes, and without what libraries hang on it", () => {
  const cause = Object.assign(new Error("inner"), { code: "EIO" });
  const error = Object.assign(new TypeError("outer", { cause }), { parameters: ["SECRET"], input: "SECRET" });
  const [line] = logged((log) => log.error({ err: error }, "failed"));
  expect(line).toMatchObject({
    err: { type: "TypeError", message: "outer", cause: { type: "Error", message: "inner", code: "EIO" } },
  });
  expect(JSON.stringify(line)).toContain("log.test.ts");
  expect(JSON.stringify(line)).not.toContain("SECRET");
});

test("a circular chain of causes ends, and what is no Error is not repeated", () => {
  const error = new Error("again");
  error.cause = error;
  expect(logged((log) => log.error({ err: error }))).toHaveLength(1);
  expect(JSON.stringify(logged((log) => log.error({ err: "SECRET" })))).not.toContain("SECRET");
});
