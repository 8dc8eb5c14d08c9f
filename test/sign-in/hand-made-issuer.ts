import { once } from "node:events";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { SignJWT, exportJWK, generateKeyPair } from "jose";
import type { CryptoKey, JWK, JWTHeaderParameters, JWTPayload } from "jose";

/** An issuer that signs whatever the test wants, and answers as badly as it wants. */
export class HandMadeIssuer implements AsyncDisposable {
  readonly issuer: string;
  /** Answers in the place of the issuer, by path. */
  readonly instead = new Map<string, RequestListener>();
  readonly asked: string[] = [];
  readonly #server: Server;
  #keys: JWK[] = [];
  #signing: { readonly key: CryptoKey; readonly header: JWTHeaderParameters } | undefined;

  private constructor(server: Server) {
    this.#server = server;
    this.issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("request", (request, response) => {
      const path = request.url ?? "";
      this.asked.push(path);
      const answer = this.instead.get(path);
      if (answer !== undefined) return answer(request, response);
      const documents: Record<string, object> = {
        "/.well-known/openid-configuration": { issuer: this.issuer, jwks_uri: `${this.issuer}/keys` },
        "/keys": { keys: this.#keys },
      };
      response.setHeader("content-type", "application/json");
      return response.end(JSON.stringify(documents[path] ?? {}));
    });
  }

  static async start(): Promise<HandMadeIssuer> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const issuer = new HandMadeIssuer(server);
    await issuer.rotate("ES256");
    return issuer;
  }

  /** From now on there is another key, and the ones before are gone. */
  async rotate(alg: string): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    const kid = crypto.randomUUID();
    this.#keys = [{ ...(await exportJWK(publicKey)), kid, alg, use: "sig" }];
    this.#signing = { key: privateKey, header: { alg, kid } };
  }

  /** The key that is published, as an attacker sees it. */
  get publishedKey(): JWK {
    return this.#keys[0] ?? {};
  }

  /** An ID token; without `by` it is signed as it should be. */
  async token(
    claims: JWTPayload,
    by: { readonly key?: CryptoKey | Uint8Array; readonly header?: Partial<JWTHeaderParameters> } = {},
  ): Promise<string> {
    if (this.#signing === undefined) throw new Error("it has no key");
    const { key, header } = this.#signing;
    return await new SignJWT(claims).setProtectedHeader({ ...header, ...by.header }).sign(by.key ?? key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}
