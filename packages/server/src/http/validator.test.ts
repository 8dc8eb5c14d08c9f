import { Type } from "typebox";
import type { TSchema } from "typebox";
import { expect, test } from "vitest";
import { compileValidator } from "./validator.ts";

const closed = { additionalProperties: false };
const Sample = Type.Object(
  {
    size: Type.Optional(Type.Integer()),
    tags: Type.Optional(Type.Array(Type.Object({ name: Type.String({ maxLength: 3 }) }, closed))),
  },
  closed,
);

/** The result of Fastify's validator: true, or the field and the message of the refusal. */
function check(value: unknown, httpPart = "body", schema: TSchema = Sample): unknown {
  const result: unknown = compileValidator({ schema, httpPart, method: "POST", url: "/" })(value);
  if (result === true) return true;
  const { error } = result as { error: { code: string; field: string; message: string } };
  expect(error.code).toBe("invalid-request");
  return [error.field, error.message];
}

test("coerces query strings, and nothing else", () => {
  const query = { size: "7" };
  expect(check(query, "querystring")).toBe(true);
  expect(query).toEqual({ size: 7 });
  for (const part of ["body", "params", "headers"]) {
    expect(check({ size: "7" }, part)).toEqual(["size", "`size` must be integer."]);
  }
});

test("removes nothing: what is not listed is refused, and stays", () => {
  const body = { tags: [{ name: "a" }, { name: "b", color: "red" }] };
  expect(check(body)).toEqual(["tags[1].color", "`tags[1].color` is not known here."]);
  expect(body.tags[1]).toHaveProperty("color");
});

test("names the member at fault by its path", () => {
  expect(check({ tags: [{}] })).toEqual(["tags[0].name", "`tags[0].name` is missing."]);
  expect(check({ tags: [{ name: "long" }] })).toMatchObject([
    "tags[0].name",
    expect.stringContaining("3 characters"),
  ]);
  expect(check({ 'a/b~c "d"': 1 })).toMatchObject(['["a/b~c \\"d\\""]', expect.anything()]);
  expect(check([], "body")).toMatchObject(["body", expect.anything()]);
  const Named = Type.Object({}, { propertyNames: { pattern: "^[a-z]+$" } });
  expect(check({ UP: 1 }, "body", Named)).toMatchObject(["UP", expect.anything()]);
});

test("does not repeat the value at fault", () => {
  const message = JSON.stringify(check({ tags: [{ name: "SECRET" }] }));
  expect(message).not.toContain("SECRET");
});
