// The rules of this project that neither oxlint nor dependency-cruiser can express:
//
// - The domain (packages/server/src/core, except clock.ts) takes the time from its Clock: no `new Date()` without an
//   argument and no `Date()`. (.oxlintrc.json refuses Date.now and process.env there.)
// - `reveal`, the one door to the bytes of a secret, is not passed on: nobody loads secret-bytes.ts by `import()`,
//   which lint does not see, and nobody exports `reveal` under any name. (.oxlintrc.json lists who may import it.)
// - No comment switches a check off. `@ts-expect-error` is for tests, to state that a wrong program does not compile.
//
// Unit tests and test/ are free, but for the last rule. Prints `file:line rule` for each violation, and ends with
// status 1 if there was one.

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FILES = [
  "packages/*/{src,bin}/**/*.{ts,tsx,js}",
  "{test,bench,demo,scripts}/**/*.{ts,js,mjs}",
  "*.{ts,cjs}",
];

const DISABLES =
  /(?:eslint|oxlint)-(?:disable|enable)|@ts-(?:ignore|nocheck)|prettier-(?:ignore)|(?:c8|v8|istanbul) ignore/;

const violations = [];

for (const file of globSync(FILES, { cwd: ROOT }).sort()) {
  const text = readFileSync(join(ROOT, file), "utf8");
  const isTest = file.endsWith(".test.ts") || file.startsWith("test/");
  checkComments(file, text, isTest);
  if (!isTest) checkSyntax(file, text);
}

for (const violation of violations) console.log(violation);
process.exitCode = violations.length === 0 ? 0 : 1;

function checkComments(file, text, isTest) {
  for (const [index, line] of text.split("\n").entries()) {
    const found =
      DISABLES.exec(line)?.[0] ?? (isTest ? undefined : /@ts-expect-(?:error)(?!`)/.exec(line)?.[0]);
    if (found !== undefined) report(file, index, `no comment may switch a check off: ${found.trim()}`);
  }
}

function checkSyntax(file, text) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  const inDomain =
    file.startsWith("packages/server/src/core/") && file !== "packages/server/src/core/clock.ts";
  const visit = (node) => {
    const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line;
    if (inDomain && readsTime(node)) report(file, line, "the domain takes the time from its Clock");
    if (loadsSecretBytes(node)) report(file, line, "secret-bytes.ts is not loaded by import()");
    if (exportsReveal(node)) report(file, line, "`reveal` is not passed on");
    ts.forEachChild(node, visit);
  };
  visit(source);
}

/** `new Date`, `new Date()` and `Date()`; a Date made from a number or a string reads no clock. */
function readsTime(node) {
  if (!ts.isNewExpression(node) && !ts.isCallExpression(node)) return false;
  if (!ts.isIdentifier(node.expression) || node.expression.text !== "Date") return false;
  return ts.isCallExpression(node) || (node.arguments ?? []).length === 0;
}

function loadsSecretBytes(node) {
  if (!ts.isCallExpression(node) || node.expression.kind !== ts.SyntaxKind.ImportKeyword) return false;
  const [path] = node.arguments;
  return path !== undefined && ts.isStringLiteralLike(path) && /(^|\/)secret-bytes(\.ts)?$/.test(path.text);
}

/** `export { reveal }`, `export { reveal as other }`, with or without `from`. */
function exportsReveal(node) {
  return ts.isExportSpecifier(node) && (node.propertyName ?? node.name).text === "reveal";
}

function report(file, index, rule) {
  violations.push(`${file}:${index + 1} ${rule}`);
}
