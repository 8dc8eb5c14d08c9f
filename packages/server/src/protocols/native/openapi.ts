import { ErrorReply } from "@claviger/api";
import type { SwaggerOptions } from "@fastify/swagger";

/** Schemas that the routes refer to by name. */
export const ERROR_REPLY_SCHEMA = { ...ErrorReply, $id: "ErrorReply" } as const;

const BEARER_SCHEME = "bearer";
export const BEARER_SECURITY: readonly { [scheme: string]: readonly string[] }[] = [{ [BEARER_SCHEME]: [] }];

export const OPENAPI_OPTIONS = {
  openapi: {
    openapi: "3.1.0",
    info: {
      title: "Claviger",
      version: "1",
      description:
        "The native API of the Claviger key manager. Bodies are JSON; a member, query parameter or path parameter that " +
        "is not listed here is refused. Every refusal has the form of `ErrorReply`; its codes are in docs/errors.md.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    components: {
      securitySchemes: {
        [BEARER_SCHEME]: {
          type: "http",
          scheme: "bearer",
          description:
            "Token of a principal. A principal that is bound to a client certificate may leave it out over a connection " +
            "that has proved the certificate, and needs that connection where it sends a token.",
        },
      },
    },
  },
  refResolver: {
    buildLocalReference: (json, _baseUri, _fragment, i) =>
      typeof json["$id"] === "string" ? json["$id"] : `def-${i}`,
  },
} satisfies SwaggerOptions;

/**
 * Replies for refusals: the same for every route, because most come from the layers under all of them. Which status a
 * code has is in docs/errors.md.
 */
export const ERROR_REPLIES = {
  "4xx": { description: "Refused", $ref: "ErrorReply#" },
  "5xx": { description: "Failed; 503 is worth a retry", $ref: "ErrorReply#" },
} as const;

/** The reply of a route that did what it was asked, described for the document. */
export function successReply(schema: object): object {
  return { ...schema, "x-response-description": "Done" };
}
