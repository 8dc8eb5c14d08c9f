import { constants } from "node:crypto";
import type { X509Certificate } from "node:crypto";
import type { RequestListener, Server, ServerOptions } from "node:http";
import * as https from "node:https";
import type { Socket } from "node:net";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import { Failure } from "../core/errors.ts";
import { HTTP_LIMITS } from "./limits.ts";
import type { PresentFailure } from "./raw-reply.ts";
import { rawReply, replyAndClose } from "./raw-reply.ts";

/*
 * What holds for every TLS connection:
 * - TLS 1.3, or 1.2 with forward secrecy and AEAD ciphers (RFC 9325 §4.2); no renegotiation, no compression;
 * - with CAs for clients, a connection whose client has not proved a certificate of one of them never reaches the HTTP
 *   parser. The handshake is let through for it, so that the refusal can say why in an HTTP reply;
 * - plain HTTP gets a reply in plain HTTP that says so, and nothing of it is read;
 * - certificates, key and CAs can be replaced while it runs. A session ticket of before opens nothing then, and a
 *   connection of before, or whose handshake may have begun before, is closed with its next reply;
 * - with revocation lists, every certificate in a client's chain is looked for in the list of its issuer, and refused where
 *   that is missing or out of date (OpenSSL, X509_V_FLAG_CRL_CHECK_ALL). When they are replaced, open connections whose
 *   certificate is in them are broken at once.
 */

/** PEM, as node:tls takes it. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly passphrase?: string;
  /** CAs of clients. With them every client needs a certificate. */
  readonly ca?: string;
  /** Revocation lists of those CAs, one each. */
  readonly crl?: string[];
  /** Whether a certificate is in the lists. */
  readonly isRevoked?: (certificate: X509Certificate) => boolean;
}

const RULES = {
  minVersion: "TLSv1.2",
  ciphers: [
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_GCM_SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
  ].join(":"),
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
} as const;

/** Content type of a TLS record that opens a handshake (RFC 8446 §5.1): no HTTP request begins with this byte. */
const HANDSHAKE = 0x16;

/** The TLS side of the HTTP front: makes its servers, and replaces what they show and accept. */
export class TlsFront {
  readonly #presentFailure: PresentFailure;
  readonly #servers = new Set<https.Server>();
  readonly #silent = new Set<Socket>();
  /** Let in, and not closed yet. */
  readonly #open = new Set<TLSSocket>();
  readonly #admitted = new WeakMap<Socket, TlsMaterial>();
  #material: TlsMaterial;
  #replacedAtMs = Number.NEGATIVE_INFINITY;

  constructor(material: TlsMaterial, presentFailure: PresentFailure) {
    this.#material = material;
    this.#presentFailure = presentFailure;
  }

  /** A server that is not listening yet; more than one where a name has several addresses. */
  createServer(handler: RequestListener, options: ServerOptions): Server {
    const server = https.createServer(
      {
        ...options,
        ...RULES,
        ...contextOf(this.#material),
        handshakeTimeout: HTTP_LIMITS.headersTimeoutMs,
        requestCert: this.#material.ca !== undefined,
        rejectUnauthorized: false, // #admit does, with a reply
      },
      handler,
    );
    putBefore(server, "connection", (socket, pass) => this.#tellApart(socket, pass));
    putBefore(server, "secureConnection", (socket, pass) => this.#admit(socket as TLSSocket, pass));
    this.#servers.add(server);
    server.once("close", () => this.#servers.delete(server));
    return server;
  }

  /** For connections to come. Whether clients need a certificate does not change. Throws what OpenSSL refuses. */
  replace(material: TlsMaterial): void {
    for (const server of this.#servers) server.setSecureContext({ ...RULES, ...contextOf(material) });
    this.#material = material;
    this.#replacedAtMs = performance.now();
    for (const socket of this.#open) if (isRevoked(socket, material)) socket.destroy();
  }

  /** True for a connection whose whole handshake came after the material was last replaced. */
  isCurrent(socket: Socket): boolean {
    return this.#admitted.get(socket) === this.#material;
  }

  /** Closes connections on which nothing has come yet: when the service stops, it does not wait for them. */
  closeSilent(): void {
    for (const socket of this.#silent) socket.destroy();
  }

  /** Looks at the first byte, gives it back, and lets nothing but TLS pass. */
  #tellApart(socket: Socket, pass: () => void): void {
    const deadline = setTimeout(() => socket.destroy(), HTTP_LIMITS.headersTimeoutMs);
    const broken = (): void => void socket.destroy();
    const heard = (): void => {
      clearTimeout(deadline);
      this.#silent.delete(socket);
    };
    this.#silent.add(socket);
    socket.once("close", heard);
    socket.once("error", broken);
    socket.once("end", broken);
    socket.once("data", (first: Buffer) => {
      heard();
      socket.off("error", broken);
      socket.off("end", broken);
      if (first[0] === HANDSHAKE) {
        socket.pause();
        socket.unshift(first);
        pass();
      } else
        replyAndClose(socket, rawReply(new Failure("tls-required"), "400 Bad Request", this.#presentFailure));
    });
  }

  #admit(socket: TLSSocket, pass: () => void): void {
    // A handshake that began before the lists were replaced went by those of before.
    const isRevokedNow = isRevoked(socket, this.#material);
    if (this.#material.ca === undefined || (socket.authorized && !isRevokedNow)) {
      const handshakesOfBeforeAreOver = performance.now() - this.#replacedAtMs > HTTP_LIMITS.headersTimeoutMs;
      if (handshakesOfBeforeAreOver) this.#admitted.set(socket, this.#material);
      this.#open.add(socket);
      socket.once("close", () => this.#open.delete(socket));
      pass();
      return;
    }
    const failure = new Failure(
      "client-certificate-refused",
      isRevokedNow ? refusedFor("CERT_REVOKED") : whyRefused(socket),
    );
    const deadline = setTimeout(() => socket.destroy(), HTTP_LIMITS.headersTimeoutMs);
    socket.once("close", () => clearTimeout(deadline));
    socket.once("error", () => socket.destroy());
    // A reply to what was not asked yet could reach a client that does not expect one.
    socket.once("data", () =>
      replyAndClose(socket, rawReply(failure, "401 Unauthorized", this.#presentFailure)),
    );
  }
}

function whyRefused(socket: TLSSocket): string {
  if (socket.getPeerX509Certificate() === undefined) return "The client shows no certificate.";
  // Node has the code of OpenSSL's verification here, and declares an Error.
  return refusedFor(String(socket.authorizationError));
}

function refusedFor(code: string): string {
  return `The certificate of the client is refused: ${code}.`;
}

function contextOf({ isRevoked: _isRevoked, ...material }: TlsMaterial): SecureContextOptions {
  return material;
}

/** Whether a certificate of the client's chain is in the lists. */
function isRevoked(socket: TLSSocket, { isRevoked: isInLists }: TlsMaterial): boolean {
  if (isInLists === undefined) return false;
  const seen = new Set<string>();
  let certificate = socket.getPeerX509Certificate();
  while (certificate !== undefined && !seen.has(certificate.fingerprint256)) {
    if (isInLists(certificate)) return true;
    seen.add(certificate.fingerprint256);
    certificate = certificate.issuerCertificate;
  }
  return false;
}

/** Calls `gate` with what the event brings; the listeners that were there before see it when the gate calls `pass`. */
function putBefore(
  server: https.Server,
  event: "connection" | "secureConnection",
  gate: (socket: Socket, pass: () => void) => void,
): void {
  const listeners = server.listeners(event);
  server.removeAllListeners(event);
  server.on(event, (socket: Socket) => {
    gate(socket, () => {
      for (const listener of listeners) Reflect.apply(listener, server, [socket]);
    });
  });
}
