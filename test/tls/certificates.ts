import "reflect-metadata"; // before @peculiar/x509, which needs it
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
} from "@peculiar/x509";
import type { JsonName } from "@peculiar/x509";

/** Certificates made on the spot, so that none of them ever expires in the repository. PEM throughout. */

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const HOUR_MS = 3_600_000;

export interface Issued {
  readonly cert: string;
  readonly key: string;
}

export interface Leaf {
  /** As text, or in the form of @peculiar/x509 where a value needs no escapes. */
  readonly subject: string | readonly Readonly<Record<string, readonly string[]>>[];
  readonly purpose: "server" | "client";
  /** DNS names and IP addresses of a server. */
  readonly names?: readonly { readonly type: "dns" | "ip"; readonly value: string }[];
  /** Hours from now; default -1 to 24. */
  readonly validHours?: readonly [from: number, to: number];
  /** Hex; a random one where none is given. */
  readonly serialNumber?: string;
}

/** A certification authority of its own. */
export class Authority {
  readonly pem: string;
  readonly #certificate: X509Certificate;
  readonly #keys: CryptoKeyPair;

  private constructor(certificate: X509Certificate, keys: CryptoKeyPair) {
    this.#certificate = certificate;
    this.#keys = keys;
    this.pem = certificate.toString("pem");
  }

  static async create(subject: string): Promise<Authority> {
    const keys = await newKeys();
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name: subject,
      ...validity([-1, 24]),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new BasicConstraintsExtension(true, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      ],
    });
    return new Authority(certificate, keys);
  }

  async issue({ subject, purpose, names = [], validHours = [-1, 24], serialNumber }: Leaf): Promise<Issued> {
    const keys = await newKeys();
    const usage = purpose === "server" ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth;
    const certificate = await X509CertificateGenerator.create({
      subject: typeof subject === "string" ? subject : (structuredClone(subject) as JsonName),
      issuer: this.#certificate.subject,
      ...(serialNumber !== undefined && { serialNumber }),
      ...validity(validHours),
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([usage]),
        ...(names.length === 0 ? [] : [new SubjectAlternativeNameExtension([...names])]),
      ],
    });
    const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
    return { cert: certificate.toString("pem"), key: PemConverter.encode(pkcs8, "PRIVATE KEY") };
  }

  /** A revocation list that names these certificates. Hours from now; default -1 to 24. */
  async revocationList(revoked: readonly Issued[], [from, to] = [-1, 24]): Promise<string> {
    const { notBefore: thisUpdate, notAfter: nextUpdate } = validity([from ?? -1, to ?? 24]);
    const list = await X509CrlGenerator.create({
      issuer: this.#certificate.subject,
      thisUpdate,
      nextUpdate,
      entries: revoked.map(({ cert }) => ({
        serialNumber: new X509Certificate(cert).serialNumber,
        revocationDate: thisUpdate,
      })),
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
    });
    return `${PemConverter.encode(list.rawData, "X509 CRL")}\n`; // RFC 7468 §9
  }

  /** A server's certificate for loopback. */
  issueServer(more: Partial<Leaf> = {}): Promise<Issued> {
    const names = [{ type: "ip", value: "127.0.0.1" } as const, { type: "dns", value: "localhost" } as const];
    return this.issue({ subject: "CN=claviger", purpose: "server", names, ...more });
  }

  issueClient(more: Partial<Leaf> = {}): Promise<Issued> {
    return this.issue({ subject: "CN=orders, O=Shop", purpose: "client", ...more });
  }
}

type CryptoKeyPair = webcrypto.CryptoKeyPair;

function newKeys(): Promise<CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

function validity([from, to]: readonly [number, number]): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now + from * HOUR_MS), notAfter: new Date(now + to * HOUR_MS) };
}

/** A folder for PEM files, which goes away with its scope. */
export class PemFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "claviger-tls-"));

  /** Writes a file, of mode 0600 if nothing else is said, and returns its path. */
  write(name: string, content: string, mode = 0o600): string {
    const path = join(this.path, name);
    rmSync(path, { force: true });
    writeFileSync(path, content, { mode });
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
