import { spawn } from "node:child_process";

/** Has the desktop show an address, where there is one and somebody sits there. Whether it did is not known. */
export function openBrowser(url: string): void {
  const program = process.stderr.isTTY ? opener() : undefined;
  if (program === undefined) return;
  const child = spawn(program, [url], { stdio: "ignore", detached: true });
  // It is not installed: the address was printed, and can be opened by hand.
  child.on("error", () => undefined);
  child.unref();
}

/** The program that opens an address; undefined where there is no desktop, or none that is known. */
function opener(): string | undefined {
  const { platform, env } = process;
  if (platform === "darwin") return "open";
  const desktop = (env["DISPLAY"] ?? "") !== "" || (env["WAYLAND_DISPLAY"] ?? "") !== "";
  return platform === "linux" && desktop ? "xdg-open" : undefined;
}
