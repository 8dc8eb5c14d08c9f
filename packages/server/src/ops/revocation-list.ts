import type { X509Certificate } from "node:crypto";
import { AsnConvert } from "@peculiar/asn1-schema";
import { Certificate, CertificateList } from "@peculiar/asn1-x509";

/** What a certificate revocation list (RFC 5280 §5) says. OpenSSL verifies its signature, in each handshake. */
export interface RevocationList {
  /** PEM. */
  readonly pem: string;
  /** Distinguished name in DER, hex. */
  readonly issuer: string;
  /** When the next one is due; undefined: it does not say. Behind that OpenSSL refuses every certificate of the issuer. */
  readonly nextUpdate: Date | undefined;
  /** Serial numbers of what is revoked, in hex, as node:crypto shows them. */
  readonly serials: readonly string[];
}

const LIST = /-----BEGIN X509 CRL-----([^-]+)-----END X509 CRL-----/g;

/** The lists of a PEM file. @throws an Error for what is none. */
export function revocationListsIn(pem: string): readonly RevocationList[] {
  return [...pem.matchAll(LIST)].map(([text, base64 = ""]) => {
    const { tbsCertList: list } = AsnConvert.parse(Buffer.from(base64, "base64"), CertificateList);
    return {
      pem: text,
      issuer: hexOf(AsnConvert.serialize(list.issuer)),
      nextUpdate: list.nextUpdate?.getTime(),
      serials: (list.revokedCertificates ?? []).map(({ userCertificate }) => serialOf(userCertificate)),
    };
  });
}

/** Tells whether a certificate is in one of these lists: by its issuer, and its number there. */
export function inLists(lists: readonly RevocationList[]): (certificate: X509Certificate) => boolean {
  const issuersOf = new Map<string, Set<string>>();
  for (const { issuer, serials } of lists) {
    for (const serial of serials) {
      const issuers = issuersOf.get(serial) ?? new Set();
      issuersOf.set(serial, issuers.add(issuer));
    }
  }
  return ({ serialNumber, raw }) => {
    const issuers = issuersOf.get(serialNumber);
    if (!issuers) return false;
    const { tbsCertificate } = AsnConvert.parse(raw, Certificate);
    return issuers.has(hexOf(AsnConvert.serialize(tbsCertificate.issuer)));
  };
}

/** The name by which a list has this CA as its issuer. */
export function issuerNameOf(certificate: Uint8Array): string {
  const { tbsCertificate } = AsnConvert.parse(certificate, Certificate);
  return hexOf(AsnConvert.serialize(tbsCertificate.subject));
}

/** Without the zero byte that keeps a number positive (X.690 §8.3), in capitals. */
function serialOf(number: ArrayBuffer): string {
  return hexOf(number)
    .replace(/^(?:00)+(?=..)/, "")
    .toUpperCase();
}

function hexOf(bytes: ArrayBuffer): string {
  return Buffer.from(bytes).toString("hex");
}
