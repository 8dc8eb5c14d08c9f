import { statSync } from "node:fs";
import { isFailure } from "../../core/errors.ts";
import type { Config } from "../config.ts";
import { isLoopback } from "../loopback.ts";
import type { LoadedTls } from "../tls-material.ts";
import { listsOutOfValidity, loadTlsMaterial, outOfValidity } from "../tls-material.ts";
import type { Finding } from "./finding.ts";
import { finding } from "./finding.ts";

const RENEW_DAYS = 14;
const DAY_MS = 86_400_000;

/** Whether clients can reach the daemon and nobody can listen: address, certificate, key, CAs for clients. */
export function checkListener({ listen, tls }: Pick<Config, "listen" | "tls">, now: Date): Finding {
  const address = `${listen.host}:${listen.port}`;
  if (tls === undefined) return finding("listener", "ok", `${address}, plain HTTP on the loopback interface`);
  let loaded: LoadedTls;
  try {
    loaded = loadTlsMaterial(tls);
  } catch (error) {
    if (!isFailure(error, "config-invalid")) throw error;
    return finding("listener", "broken", error.message, error.advice);
  }
  const renew = "Put a new certificate in its place and send the daemon SIGHUP.";
  const complaint = outOfValidity(loaded, now);
  if (complaint !== undefined) return finding("listener", "broken", complaint, renew);
  const lists = listsOutOfValidity(loaded, now);
  const renewLists =
    "Put the CA's current list in tls.client_crl and send the daemon SIGHUP; have that done by a timer.";
  if (lists !== undefined) return finding("listener", "warning", `${address}, TLS; ${lists}`, renewLists);
  const days = Math.floor((loaded.validTo.getTime() - now.getTime()) / DAY_MS);
  if (days < RENEW_DAYS)
    return finding("listener", "warning", `${address}, TLS; the certificate expires in ${days} days`, renew);
  if ((statSync(tls.key).mode & 0o040) !== 0) {
    return finding(
      "listener",
      "warning",
      `${address}, TLS; the group of ${tls.key} may read it`,
      "See who is in that group, or `chmod 600` it.",
    );
  }
  const clients = tls.clientCa === undefined ? "clients need no certificate" : "clients need a certificate";
  if (tls.clientCa === undefined && !isLoopback(listen.host)) {
    return finding(
      "listener",
      "warning",
      `${address}, TLS; ${clients}, so a stolen token is enough from anywhere`,
      "Set tls.client_ca, or bound who reaches the port.",
    );
  }
  return finding("listener", "ok", `${address}, TLS; ${clients}; certificate valid for ${days} days`);
}
