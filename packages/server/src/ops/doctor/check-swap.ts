import type { Finding } from "./finding.ts";
import { finding } from "./finding.ts";

/**
 * Whether keys in memory may reach a disk in clear. `swaps` is /proc/swaps; `mappingOf` gives the UUID that the device
 * mapper has for a device, which begins with CRYPT where it encrypts.
 */
export function checkSwap(
  swaps: string | undefined,
  mappingOf: (device: string) => string | undefined,
): Finding {
  if (swaps === undefined) return finding("swap", "unknown", "the list of swap areas cannot be read");
  const [, ...lines] = swaps.trim().split("\n");
  const devices = lines.flatMap((line) => line.split(/\s+/, 1)).filter((device) => device !== "");
  // What swap on zram holds is memory still.
  const open = devices.filter(
    (device) => !device.startsWith("/dev/zram") && mappingOf(device)?.startsWith("CRYPT-") !== true,
  );
  if (open.length > 0) {
    return finding(
      "swap",
      "warning",
      `${open.join(", ")} is not encrypted as far as can be seen; keys in memory may reach it`,
      "Turn it off with `swapoff`, or encrypt it with a random key (crypttab: swap,cipher=…).",
    );
  }
  return finding(
    "swap",
    "ok",
    devices.length === 0 ? "none" : `encrypted or in memory: ${devices.join(", ")}`,
  );
}
