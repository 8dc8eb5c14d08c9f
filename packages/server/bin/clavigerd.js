#!/usr/bin/env node
// Plain JavaScript that any Node.js can read, so that one too old gets a sentence and not a stack.
if (Number(process.versions.node.split(".")[0]) < 24) {
  process.stderr.write(
    "clavigerd: This is Node.js " +
      process.versions.node +
      ", and clavigerd needs Node.js 24 or newer.\n" +
      "  → Install a newer one from https://nodejs.org, or run `npx clavigerd` in a clone, which brings its own.\n",
  );
  process.exitCode = 1;
} else {
  // A process that holds keys neither dumps core nor opens a debugger on a signal, and one that answers thousands of
  // requests a second has room for what they leave behind, so that it is collected less often. Node.js can set none of it
  // for itself, so the daemon begins anew in the same process, by way of a shell that turns core dumps off.
  const lockedDown = process.execArgv.includes("--disable-sigusr1") || process.platform === "win32";
  if (process.argv[2] === "serve" && !lockedDown) {
    const flags = ["--disable-sigusr1", "--max-semi-space-size=32"];
    const node = [process.execPath, ...flags, ...process.execArgv, ...process.argv.slice(1)];
    process.execve("/bin/sh", ["sh", "-c", 'ulimit -c 0; exec "$0" "$@"', ...node], process.env);
  }
  await import("../src/clavigerd.ts");
}
