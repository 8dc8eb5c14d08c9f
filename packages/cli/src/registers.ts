import type { RegistersView } from "@claviger/sdk";

/** Registers as the tools show them that officers know: TKE in its tables, Linux in the sysfs file `mkvps`. */

/** The first 16 bytes of a pattern, which is how it is shown and typed. */
export function shownPattern(vp: string | null): string {
  return vp === null ? "-" : vp.slice(0, 32);
}

const TKE_WORD = {
  empty: "Empty",
  valid: "Valid",
  "full uncommitted": "Full Uncommitted",
  "full committed": "Full Committed",
} as const;

/** Rows as `ibmcloud tke cryptounit-mks` has them: register, status, verification pattern. */
export function tkeRows({
  NEW,
  CURRENT,
  OLD,
}: RegistersView): [register: string, status: string, pattern: string][] {
  return [
    ["NEW", TKE_WORD[NEW.state], shownPattern(NEW.vp)],
    ["CURRENT", TKE_WORD[CURRENT.state], shownPattern(CURRENT.vp)],
    ["OLD", TKE_WORD[OLD.state], shownPattern(OLD.vp)],
  ];
}

const SYSFS_NEW = {
  empty: "empty",
  "full uncommitted": "uncommitted",
  "full committed": "committed",
} as const;
const SYSFS_HELD = { empty: "invalid", valid: "valid" } as const;

/** Lines as in /sys/bus/ap/devices/card03/03.0033/mkvps, with the whole pattern. */
export function mkvpsLines({ type, NEW, CURRENT, OLD }: RegistersView): string[] {
  return [
    `${type} NEW: ${SYSFS_NEW[NEW.state]} ${sysfsPattern(NEW.vp)}`,
    `${type} CUR: ${SYSFS_HELD[CURRENT.state]} ${sysfsPattern(CURRENT.vp)}`,
    `${type} OLD: ${SYSFS_HELD[OLD.state]} ${sysfsPattern(OLD.vp)}`,
  ];
}

function sysfsPattern(vp: string | null): string {
  return vp === null ? "-" : `0x${vp}`;
}
