// Runs a task of this project on the Node.js that package.json pins, from a fresh clone too. This file itself and
// what it imports run on the Node.js of the host, 20 or later: plain JavaScript, no dependencies.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runChild, statusOf, stoppedBy } from "./run-child.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BIN = join(ROOT, "node_modules", ".bin");
const NODE = join(BIN, "node");
const NODE_MAJOR = 26;

/** What each task runs: the arguments for Node.js, from those that follow the task. Undefined: wrong usage. */
const TASKS = {
  start: (args) => [at("packages/server/bin/clavigerd.js"), "serve", ...args],
  cli: (args) => [at("packages/cli/src/main.ts"), ...args],
  demo: (args) => [at("demo/main.ts"), ...args],
  bench: ([name, ...args]) => (benches().includes(name) ? [at(`bench/${name}.ts`), ...args] : undefined),
  soak: ([name, ...args]) => (name === "crash" ? [at("test/crash/soak.ts"), ...args] : undefined),
  test: (args) => [at("scripts/run-tests.mjs"), ...args],
  check: (args) => [at("scripts/check.mjs"), ...args],
  docs: ([name]) => (name === "sdk" ? [join(BIN, "typedoc")] : undefined),
  format: () => [join(BIN, "prettier"), "--write", ROOT],
};

const [task, ...args] = process.argv.slice(2);
const nodeArgs = Object.hasOwn(TASKS, task ?? "") ? TASKS[task](args) : undefined;
if (nodeArgs === undefined) {
  console.error(`Usage: node scripts/launch.mjs <task> [arguments]

  start           run the daemon
  cli             run the command line, claviger
  demo            run the demonstration
  bench <name>    run a benchmark: ${benches().join(", ") || "(none yet)"}
  soak crash      kill the daemon at random for as long as --minutes says
  test            run check, then every test
  check           format, lint, types, boundaries, dead code, house rules
  docs sdk        write the documentation of the SDK to dist/sdk-docs
  format          format every file`);
  process.exit(2);
}

await install();
await checkNode();
// What the task starts by name is what npm scripts would find: the project's own programs first.
const env = { ...process.env, PATH: `${BIN}${delimiter}${process.env.PATH}` };
const { status } = await runChild(NODE, nodeArgs, { env });
process.exit(status);

function at(path) {
  return join(ROOT, path);
}

function benches() {
  if (!existsSync(at("bench"))) return [];
  return readdirSync(at("bench"))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => file.slice(0, -".ts".length));
}

/**
 * Installs what package-lock.json says, unless that was done. The stamp holds the hash of the lock file that was
 * installed; it is written last, so an interrupted installation is repeated.
 */
async function install() {
  const stamp = at("node_modules/.claviger-installed");
  const lock = readFileSync(at("package-lock.json"));
  const hash = createHash("sha256").update(lock).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === hash && existsSync(installedLock())) return;

  if (!holdsAll(JSON.parse(lock))) {
    console.error("Installing dependencies (once)…");
    // With --no-save, `npm install` installs what the lock file says and leaves it alone, as `npm ci` does. But
    // `npm ci` refuses a lock file that lacks the binaries of platforms other than this one, and the lock file
    // lacks those that were not to be had where it was written. What else `npm ci` would refuse, is refused below.
    //
    // The only install scripts that may run are that of `node`, which fetches the binary, and that of `pkcs11js`, which
    // compiles it. npm 11 merely warns about scripts that "allowScripts" in package.json does not list, and older ones do
    // not know that field: both would run them all. So all are skipped, then those are run by name, which is the same
    // for every npm.
    //
    // At loglevel "error" npm does not warn that the host's Node.js is older than "engines" asks (EBADENGINE).
    const quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"];
    await npm(["install", "--no-save", "--include=dev", "--ignore-scripts", ...quiet]);
    await npm(["rebuild", "node", "--ignore-scripts=false", ...quiet]);
    await buildPkcs11(quiet);
    if (!holdsAll(JSON.parse(lock))) {
      console.error(
        "package-lock.json does not agree with package.json. Run `npm install` and look at what it changes.",
      );
      process.exit(1);
    }
  }
  writeFileSync(stamp, hash);
}

/** npm's own note of what it installed; npm writes it when an installation is complete. */
function installedLock() {
  return at("node_modules/.package-lock.json");
}

/** True if what is installed, by this script or by npm run by hand, is what `lock` says. */
function holdsAll(lock) {
  if (!existsSync(installedLock())) return false;
  const installed = JSON.parse(readFileSync(installedLock(), "utf8")).packages;
  return Object.entries(lock.packages).every(
    ([path, { version, optional, devOptional }]) =>
      !path.includes("node_modules/") ||
      (installed[path] !== undefined && installed[path].version === version) || // links have no version
      ((optional || devOptional) && installed[path] === undefined), // for another platform
  );
}

/**
 * Compiles the binding to PKCS#11 modules (Node-API: what one Node.js has compiled, another one loads). Without a compiler
 * there are no HSMs, and everything else works.
 */
async function buildPkcs11(quiet) {
  if (!existsSync(at("node_modules/pkcs11js"))) return;
  // The headers that came with the host's Node.js, so that none are fetched.
  const prefix = join(process.execPath, "..", "..");
  const headers = existsSync(join(prefix, "include/node/node_api.h")) ? { npm_config_nodedir: prefix } : {};
  const args = ["rebuild", "pkcs11js", "--ignore-scripts=false", ...quiet];
  const { status, output } = await runNpm(args, headers);
  if (status === 0) return;
  const reason = output.trim().split("\n").slice(-3).join("\n");
  console.error(
    `pkcs11js was not compiled, so no HSM can be attached (it needs gcc, g++, make and python3):\n${reason}`,
  );
}

/** Runs npm; without what it is to do, the task cannot run. */
async function npm(npmArgs) {
  const { status, output } = await runNpm(npmArgs);
  if (status === 0) return;
  process.stderr.write(output);
  console.error(`\`npm ${npmArgs.join(" ")}\` failed: the dependencies are not installed.`);
  process.exit(1);
}

/** Runs npm in the project, on the host's Node.js: the project's own is about to be replaced. */
async function runNpm(npmArgs, more = {}) {
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== BIN);
  const env = { ...process.env, ...more, PATH: path.join(delimiter) };
  const done = await runChild("npm", npmArgs, { capture: true, cwd: ROOT, env }).catch((error) => ({
    status: 1,
    output: `${error.message}: ${error.cause.message}\n`,
  }));
  if (stoppedBy !== undefined) process.exit(statusOf(stoppedBy));
  return done;
}

/** Makes sure that the pinned Node.js is there and can do what the project needs of it. */
async function checkNode() {
  const probe = `import "node:sqlite"; const major: string = process.versions.node; console.log(major.split(".")[0]);`;
  const { status, output } = await runChild(NODE, ["--input-type=module-typescript", "-e", probe], {
    capture: true,
  }).catch((error) => ({ status: 1, output: error.cause.message }));
  if (stoppedBy !== undefined) process.exit(statusOf(stoppedBy));
  if (status === 0 && output.trim() === String(NODE_MAJOR)) return;
  console.error(`node_modules/.bin/node is not a Node.js ${NODE_MAJOR} that runs TypeScript and has node:sqlite:
${output.trim() || `it ended with status ${status}`}
Remove node_modules and try again. If that does not help, the \`node\` package has no binary for this platform.`);
  process.exit(1);
}
