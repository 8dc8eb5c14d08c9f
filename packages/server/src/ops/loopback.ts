import { BlockList, isIP } from "node:net";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** True for an address, in brackets or not, that no other machine can reach. Of names only `localhost` is taken for one. */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, "$1");
  const version = isIP(address);
  if (version === 0) return host.toLowerCase() === "localhost";
  return LOOPBACK.check(address, version === 4 ? "ipv4" : "ipv6");
}
