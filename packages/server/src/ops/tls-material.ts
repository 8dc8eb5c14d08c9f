import { X509Certificate, createPrivateKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { Failure } from "../core/errors.ts";
import { reveal } from "../core/secret/secret-bytes.ts";
import type { TlsMaterial } from "../http/tls-front.ts";
import type { TlsFiles } from "./config.ts";
import { invalidKey } from "./config-keys.ts";
import type { RevocationList } from "./revocation-list.ts";
import { inLists, issuerNameOf, revocationListsIn } from "./revocation-list.ts";

/** What the files hold: fit for the TLS front, and the end of the certificate's validity. */
export interface LoadedTls {
  readonly material: TlsMaterial;
  readonly validFrom: Date;
  readonly validTo: Date;
  /** When the first of the revocation lists has to be replaced; undefined where there is none that says so. */
  readonly listsValidTo: Date | undefined;
  /** Subjects of CAs for clients without a revocation list, where there are lists: their clients are refused. */
  readonly withoutList: readonly string[];
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
  const cas = ca === undefined ? [] : certificatesIn(ca, "tls.client_ca", files.clientCa ?? "");
  const lists = files.clientCrl === undefined ? [] : listsIn(files.clientCrl);
  const issuers = new Set(lists.map(({ issuer }) => issuer));
  const ends = lists.flatMap(({ nextUpdate }) => nextUpdate ?? []);
  return {
    material: {
      cert,
      key,
      ...(passphrase !== undefined && { passphrase }),
      ...(ca !== undefined && { ca }),
      ...(lists.length > 0 && {
        crl: lists.map(({ pem }) => pem),
        isRevoked: inLists(lists),
      }),
    },
    validFrom: own.validFromDate,
    validTo: own.validToDate,
    listsValidTo: ends.toSorted((a, b) => a.getTime() - b.getTime())[0],
    withoutList:
      lists.length === 0
        ? []
        : cas.filter(({ raw }) => !issuers.has(issuerNameOf(raw))).map(({ subject }) => subject),
  };
}

/** What is wrong with the revocation lists at `now`, in one clause; undefined when all is well. */
export function listsOutOfValidity({ listsValidTo, withoutList }: LoadedTls, now: Date): string | undefined {
  if (listsValidTo !== undefined && now > listsValidTo)
    return `a revocation list has expired on ${listsValidTo.toISOString()}: clients of its CA are refused`;
  const [subject] = withoutList;
  return subject === undefined
    ? undefined
    : `there is no revocation list of ${subject.replaceAll("\n", ", ")}: its clients are refused`;
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

function listsIn(path: string): readonly RevocationList[] {
  const pem = readPem("tls.client_crl", path);
  let lists: readonly RevocationList[];
  try {
    lists = revocationListsIn(pem);
    createSecureContext({ crl: lists.map((list) => list.pem) });
  } catch (error) {
    throw notPem("tls.client_crl", path, "a revocation list", error);
  }
  if (lists.length === 0) throw notPem("tls.client_crl", path, "a revocation list");
  return lists;
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
