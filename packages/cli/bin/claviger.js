#!/usr/bin/env node
// Plain JavaScript that any Node.js can read, so that one too old gets a sentence and not a stack.
if (Number(process.versions.node.split(".")[0]) < 24) {
  process.stderr.write(
    "claviger: This is Node.js " +
      process.versions.node +
      ", and claviger needs Node.js 24 or newer.\n" +
      "  → Install a newer one from https://nodejs.org, or run `npx claviger` in a clone, which brings its own.\n",
  );
  process.exitCode = 1;
} else {
  await import("../src/main.ts");
}
