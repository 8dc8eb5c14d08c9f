import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { KeyId, ProjectId } from "../ids.ts";
import { encodeContext } from "./encryption-context.ts";
import { payloadAad } from "./payload-aad.ts";

test("differs when project, key, version, purpose or context differs", () => {
  const binding = {
    projectId: randomUUID() as ProjectId,
    keyId: randomUUID() as KeyId,
    keyVersion: 1,
    purpose: "payload",
    context: encodeContext({ a: "b" }),
  };
  const variants = [
    binding,
    { ...binding, projectId: randomUUID() as ProjectId },
    { ...binding, keyId: randomUUID() as KeyId },
    { ...binding, keyVersion: 2 },
    { ...binding, purpose: "payloa" },
    { ...binding, context: encodeContext({}) },
    { ...binding, context: encodeContext({ a: "c" }) },
  ];
  expect(new Set(variants.map((each) => Buffer.from(payloadAad(each)).toString("hex"))).size).toBe(
    variants.length,
  );
  expect(payloadAad(binding)).toEqual(payloadAad({ ...binding }));
});

test("takes no purpose beyond 64 visible ASCII characters", () => {
  const binding = {
    projectId: randomUUID() as ProjectId,
    keyId: randomUUID() as KeyId,
    keyVersion: 1,
    context: encodeContext({}),
  };
  for (const purpose of ["", "é", "a b", "a".repeat(65)])
    expect(() => payloadAad({ ...binding, purpose })).toThrow(RangeError);
});
