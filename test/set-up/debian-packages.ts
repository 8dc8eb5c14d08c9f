import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };

/**
 * Installs packages where that is allowed: as root on Debian. Elsewhere it does nothing, and the tests that need them
 * say so.
 */
export function installDebianPackages(packages: readonly string[]): void {
  if (!mayInstall()) return;
  // A package that the lists do not know, or know in a version that the archive no longer has, asks for new lists.
  if (!install(packages)) {
    aptGet(["update"]);
    install(packages);
  }
}

export function mayInstall(): boolean {
  return process.getuid?.() === 0 && existsSync("/etc/debian_version");
}

function install(packages: readonly string[]): boolean {
  return aptGet(["install", "--yes", "--no-install-recommends", ...packages]);
}

function aptGet(args: readonly string[]): boolean {
  return spawnSync("apt-get", ["-q", ...args], { env, stdio: ["ignore", "ignore", "inherit"] }).status === 0;
}
