import { CKM } from "./token/cryptoki.ts";

/** `CKM_AES_GCM (0x1087)`. */
export function mechanismName(mechanism: number): string {
  const number = `0x${mechanism.toString(16).toUpperCase()}`;
  const name = Object.entries(CKM).find(([, each]) => each === mechanism)?.[0];
  return name === undefined ? number : `CKM_${name} (${number})`;
}
