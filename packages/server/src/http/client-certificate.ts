import { TLSSocket } from "node:tls";
import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";

/** A certificate whose chain to a CA for clients, validity and purpose were verified in the handshake. */
export interface ClientCertificate {
  /** SHA-256 of its DER form, 64 hex digits in lower case, as `openssl x509 -fingerprint -sha256` has them. */
  readonly sha256: string;
  /** Distinguished name, its parts in the order of the certificate and escaped as in RFC 2253: `O=Shop, CN=orders`. */
  readonly subject: string;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Of the client of the connection; undefined without mutual TLS. */
    readonly clientCertificate: ClientCertificate | undefined;
  }
}

const KNOWN = new WeakMap<Socket, ClientCertificate>();

/** Gives every request its `clientCertificate`; parsed once for a connection. */
export function exposeClientCertificate(app: FastifyInstance): void {
  app.decorateRequest("clientCertificate", {
    getter() {
      return certificateOf(this.raw.socket);
    },
  });
}

/** Of the client at the other end; undefined without mutual TLS. */
export function certificateOf(socket: Socket): ClientCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const known = KNOWN.get(socket);
  if (known !== undefined) return known;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const read = {
    sha256: certificate.fingerprint256.replaceAll(":", "").toLowerCase(),
    subject: certificate.subject.replaceAll("\n", ", "),
  };
  KNOWN.set(socket, read);
  return read;
}
