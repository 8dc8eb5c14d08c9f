import { X509Certificate, createPrivateKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import type { Failure } from "../core/errors.ts";
import { reveal } from "../core/secret/secret-bytes.ts";
import type { TlsMaterial } from "../http/tls-front.ts";
import type { TlsFiles } from "./config.ts";
import { invalidKey } from "./config-keys.ts";

/** What the files hold: fit for the TLS front, and the end of the certificate's validity. */
export interface LoadedTls {
  readonly material: TlsMaterial;
  readonly validFrom: Date;
  readonly validTo: Date;
}

/**
 * Reads certificate, key and CAs. Throws Failure `config-invalid`, which names the key of the configuration and the file,
 * when one is not there, is not what it should be, may be read by everybody, or does not fit the others. A certificate
 * outside its validity is taken: whether to serve with it is for the caller to say.
 */
export function loadTlsMaterial(files: TlsFiles): LoadedTls {
  const cert = readPem("tls.cert", files.cert);
  const [own] = certificatesIn(cert, "tls.cert", files.cert);
  const key = readPem("tls.key", files.key);
  refusePublicKeyFile(files.key);
  const passphrase = files.keyPassphrase && Buffer.from(reveal(files.keyPassphrase)).toString("utf8");
  if (!own.checkPrivateKey(privateKeyOf(key, passphrase, files.key)))
    throw invalidKey(
      "tls.key",
      `names ${files.key}, which is not the key of the certificate in ${files.cert}`,
    );
  const ca = files.clientCa === undefined ? undefined : readPem("tls.client_ca", files.clientCa);
  if (ca !== undefined) certificatesIn(ca, "tls.client_ca", files.clientCa ?? "");
  return {
    material: { cert, key, ...(passphrase !== undefined && { passphrase }), ...(ca !== undefined && { ca }) },
    validFrom: own.validFromDate,
    validTo: own.validToDate,
  };
}

/** What is wrong with the validity at `now`, in one clause; undefined when all is well. */
export function outOfValidity({ validFrom, validTo }: LoadedTls, now: Date): string | undefined {
  if (now > validTo) return `the certificate has expired on ${validTo.toISOString()}`;
  if (now < validFrom) return `the certificate is not valid before ${validFrom.toISOString()}`;
  return undefined;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function certificatesIn(pem: string, name: string, path: string): [X509Certificate, ...X509Certificate[]] {
  try {
    const [first, ...more] = (pem.match(CERTIFICATE) ?? []).map((one) => new X509Certificate(one));
    if (first !== undefined) return [first, ...more];
  } catch (error) {
    throw notPem(name, path, "a certificate", error);
  }
  throw notPem(name, path, "a certificate");
}

function privateKeyOf(pem: string, passphrase: string | undefined, path: string): KeyObject {
  try {
    return createPrivateKey(passphrase === undefined ? pem : { key: pem, passphrase });
  } catch (error) {
    if (!pem.includes("ENCRYPTED")) throw notPem("tls.key", path, "a private key", error);
    const needed =
      passphrase === undefined
        ? "is encrypted: give tls.key_passphrase"
        : "is not opened by tls.key_passphrase";
    throw invalidKey("tls.key", `names ${path}, which ${needed}`, error);
  }
}

function readPem(name: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const complaint = code === "ENOENT" || code === "ENOTDIR" ? "is not there" : `cannot be read (${code})`;
    throw invalidKey(name, `names ${path}, which ${complaint}`, error);
  }
}

function refusePublicKeyFile(path: string): void {
  const mode = statSync(path).mode & 0o777;
  if (process.platform === "win32" || (mode & 0o007) === 0) return;
  throw invalidKey(
    "tls.key",
    `names ${path}, which every user may read (mode ${mode.toString(8)}): chmod 640 it`,
  );
}

function notPem(name: string, path: string, what: string, cause?: unknown): Failure {
  return invalidKey(name, `names ${path}, which does not hold ${what} in PEM`, cause);
}
