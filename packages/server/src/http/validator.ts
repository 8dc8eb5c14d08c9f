import { AjvCompiler } from "@fastify/ajv-compiler";
import type { FastifySchemaCompiler } from "fastify";
import { Failure, isFailure } from "../core/errors.ts";
import { HTTP_LIMITS } from "./limits.ts";

/**
 * How requests are validated:
 * - nothing is removed, defaulted or guessed; what a schema does not list is refused;
 * - the first error ends it, for collecting all of them would be work that a client orders for free;
 * - only query strings are coerced, because they cannot say `10` any other way than "10".
 */
const RULES = { removeAdditional: false, useDefaults: false, allErrors: false, verbose: true } as const;

/** What Ajv reports, as far as it is used. It also holds the value at fault, which must never leave this file. */
interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string | undefined;
  readonly propertyName?: string | undefined;
  readonly parentSchema?: { readonly [keyword: string]: unknown } | undefined;
}

const compiler = (coerceTypes: boolean) => AjvCompiler()({}, { customOptions: { ...RULES, coerceTypes } });
const compileStrictly = compiler(false);
const compileCoercing = compiler(true);

type Part = Parameters<FastifySchemaCompiler<unknown>>[0];

/** A function that throws what does not match as `invalid-request`, with the member at fault as `field`. */
export function validatorOf(route: Part): (value: unknown) => void {
  const part = route.httpPart ?? "body";
  const compile = part === "querystring" ? compileCoercing : compileStrictly;
  const validate = compile(route);
  return (value) => {
    if (validate(value) !== true) throw refusal(validate.errors ?? [], part);
  };
}

/** As `validatorOf`, in the form that Fastify asks for. */
export const compileValidator: FastifySchemaCompiler<unknown> = (route) => {
  const validate = validatorOf(route);
  return (value: unknown) => {
    try {
      validate(value);
      return true;
    } catch (error) {
      if (!isFailure(error)) throw error;
      return { error };
    }
  };
};

function refusal(errors: readonly SchemaError[], part: string): Failure {
  const [error] = errors;
  if (error === undefined) return new Failure("invalid-request", undefined, { field: part });
  const field = fieldOf(error, part);
  return new Failure("invalid-request", `\`${field}\` ${complaint(error)}.`, { field });
}

function complaint(error: SchemaError): string {
  const description = error.parentSchema?.["description"];
  switch (error.keyword) {
    case "required":
      return "is missing";
    case "additionalProperties":
      return "is not known here";
    case "pattern":
      return typeof description === "string"
        ? `does not have the form expected: ${description}`
        : "does not have the form expected";
    case "enum":
      return `must be one of ${[error.params["allowedValues"]].flat().join(", ")}`;
    default:
      return error.message ?? "is not valid";
  }
}

/** The member at fault as a JSON path from the part's root: `roles[0]`, `context["a b"]`; the part's name for the root. */
function fieldOf(error: SchemaError, part: string): string {
  const names = error.instancePath.split("/").slice(1).map(unescapePointer);
  const inner = error.propertyName ?? error.params["missingProperty"] ?? error.params["additionalProperty"];
  if (typeof inner === "string") names.push(inner);
  return names.reduce(appendName, "") || part;
}

/** RFC 6901 §3. */
const unescapePointer = (token: string): string => token.replaceAll("~1", "/").replaceAll("~0", "~");

function appendName(path: string, name: string): string {
  const limit = HTTP_LIMITS.fieldNameLength;
  const shown = name.length > limit ? `${name.slice(0, limit)}…` : name;
  if (/^\d+$/.test(shown)) return `${path}[${shown}]`;
  if (!/^[\p{L}_$][\p{L}\p{N}_$-]*$/u.test(shown)) return `${path}[${JSON.stringify(shown)}]`;
  return path === "" ? shown : `${path}.${shown}`;
}
