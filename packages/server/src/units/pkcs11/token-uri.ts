import { fileURLToPath } from "node:url";
import { Failure } from "../../core/errors.ts";

/*
 * Where a token is, and how to get in, as a PKCS#11 URI (RFC 7512):
 *
 *     pkcs11:token=kms;serial=8a7f21c0?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/etc/claviger/kms.pin
 *
 * Of the path it takes what names a token. An attribute that it does not know, or that names an object, is refused:
 * ignored, it would let another token match than the one that was meant (§3). Of the query it takes module-path,
 * pin-source and two vendor attributes; others are ignored, as §3 asks. A PIN itself is refused wherever it stands.
 */

export interface TokenLocation {
  /** The vendor's module: an absolute path. */
  readonly modulePath: string;
  /** What the module wants to be initialised with: `x-init-reserved`, a name that p11-kit gave it. NSS needs it. */
  readonly libraryParameters?: string;
  /** The file that holds the PIN: an absolute path. Without it the PIN comes another way. */
  readonly pinFile?: string;

  // What the token has to be, in everything that is given. At least one of the first three is.
  /** Its label, without the blanks at the end. */
  readonly token?: string;
  readonly serial?: string;
  /** Some modules number their slots anew at every start: better a label and a serial number. */
  readonly slotId?: number;
  readonly manufacturer?: string;
  readonly model?: string;
}

export const MAX_URI_CHARACTERS = 4_096;

/** The lengths of the fields of CK_TOKEN_INFO in bytes: what is longer is not the value of any token. */
const FIELD_BYTES = { token: 32, serial: 16, manufacturer: 32, model: 16 } as const;

const PATH_NAMES = ["token", "serial", "slot-id", "manufacturer", "model"] as const;
const QUERY_NAMES = ["module-path", "pin-source", "x-init-reserved"] as const;

/** What may stand in a value as it is (§2.3); everything else is percent-encoded. */
const PATH_VALUE = /^(?:[\w.~:[\]@!$'()*+,=&-]|%[\dA-Fa-f]{2})*$/;
const QUERY_VALUE = /^(?:[\w.~:[\]@!$'()*+,=/?|-]|%[\dA-Fa-f]{2})*$/;

/** @throws Failure `invalid-request` whose field is the attribute at fault, or `uri`. It never repeats a value. */
export function parseTokenUri(text: string): TokenLocation {
  if (text.length > MAX_URI_CHARACTERS) refuse("uri", `is longer than ${MAX_URI_CHARACTERS} characters`);
  const { path, query = "" } = /^pkcs11:(?<path>[^?]*)(?:\?(?<query>[^]*))?$/i.exec(text)?.groups ?? {};
  if (path === undefined) refuse("uri", "does not begin with pkcs11:");
  const named = pathAttributes(path);
  const asked = queryAttributes(query);
  const { token, serial, "slot-id": slotId } = named;
  if (token === undefined && serial === undefined && slotId === undefined)
    refuse("uri", "names no token: give token, serial or slot-id");
  const modulePath = asked["module-path"] ?? refuse("module-path", "is missing: the path of the module");
  const pinFile = asked["pin-source"];
  const libraryParameters = asked["x-init-reserved"];
  return {
    modulePath: absolute("module-path", modulePath),
    ...(libraryParameters !== undefined && { libraryParameters }),
    ...(pinFile !== undefined && { pinFile: absolute("pin-source", pathOfPinSource(pinFile)) }),
    ...(token !== undefined && { token }),
    ...(serial !== undefined && { serial }),
    ...(slotId !== undefined && { slotId: slotNumber(slotId) }),
    ...(named.manufacturer !== undefined && { manufacturer: named.manufacturer }),
    ...(named.model !== undefined && { model: named.model }),
  };
}

/** The URI that parseTokenUri makes the same location of. */
export function tokenUri(location: TokenLocation): string {
  const { modulePath, libraryParameters, pinFile, slotId, token, serial, manufacturer, model } = location;
  const path = { token, serial, "slot-id": slotId?.toString(), manufacturer, model } satisfies Named;
  const query = {
    "module-path": modulePath,
    "pin-source": pinFile,
    "x-init-reserved": libraryParameters,
  } satisfies Asked;
  return `pkcs11:${joined(path, ";")}?${joined(query, "&").replaceAll("%2F", "/")}`;
}

type Named = { [Name in (typeof PATH_NAMES)[number]]?: string | undefined };
type Asked = { [Name in (typeof QUERY_NAMES)[number]]?: string | undefined };

function joined(attributes: Named | Asked, separator: string): string {
  return Object.entries(attributes)
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join(separator);
}

function pathAttributes(path: string): Named {
  const named: Named = {};
  for (const [name, encoded] of pairs(path, ";")) {
    if (!isOneOf(PATH_NAMES, name))
      refuse(name, `is not taken: a token is named by ${PATH_NAMES.join(", ")}`);
    if (named[name] !== undefined) refuse(name, "is given twice");
    const value = decoded(name, encoded, PATH_VALUE);
    if (name !== "slot-id" && Buffer.byteLength(value) > FIELD_BYTES[name])
      refuse(name, `is longer than the ${FIELD_BYTES[name]} bytes that a token has for it`);
    named[name] = value;
  }
  return named;
}

function queryAttributes(query: string): Asked {
  const asked: Asked = {};
  for (const [name, encoded] of pairs(query, "&")) {
    if (name === "pin-value")
      refuse(name, "is refused: a PIN belongs into a file of its own, which pin-source names");
    if (name === "module-name")
      refuse(name, "is refused: what it stands for differs between machines; give module-path");
    if (!isOneOf(QUERY_NAMES, name)) continue;
    if (asked[name] !== undefined) refuse(name, "is given twice");
    asked[name] = decoded(name, encoded, QUERY_VALUE);
  }
  return asked;
}

function pairs(text: string, separator: string): (readonly [name: string, encoded: string])[] {
  if (text === "") return [];
  return text.split(separator).map((pair) => {
    const { name, value } = /^(?<name>[\w-]{1,64})=(?<value>[^]*)$/.exec(pair)?.groups ?? {};
    if (name === undefined || value === undefined)
      refuse("uri", `has something else than name=value between "${separator}"`);
    return [name, value] as const;
  });
}

function decoded(name: string, encoded: string, allowed: RegExp): string {
  if (!allowed.test(encoded)) refuse(name, "has a character that must be percent-encoded, or a wrong %");
  const value = utf8(name, encoded);
  if (value === "") refuse(name, "has no value");
  return withoutControls(name, value);
}

function withoutControls(name: string, value: string): string {
  if (/\p{Cc}/u.test(value)) refuse(name, "has a control character in it");
  return value;
}

function utf8(name: string, encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return refuse(name, "is not UTF-8", error);
  }
}

function slotNumber(value: string): number {
  const slotId = Number(value);
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(slotId)) refuse("slot-id", "is no number of a slot");
  return slotId;
}

/** §2.4: a URI, a command behind a bar, or whatever the reader makes of it: here a path. */
function pathOfPinSource(source: string): string {
  if (source.startsWith("|")) refuse("pin-source", "is a command: Claviger reads a PIN from a file only");
  if (!/^[a-z][\w+.-]*:/i.test(source)) return source;
  if (!/^file:\//i.test(source))
    refuse("pin-source", "is neither a path nor a file: URI with an absolute one");
  try {
    const { href, search, hash } = new URL(source);
    if (search === "" && hash === "") return withoutControls("pin-source", fileURLToPath(href));
  } catch (error) {
    if (!(error instanceof TypeError) && !(error instanceof URIError)) throw error;
    return refuse("pin-source", "is no file: URI of a file on this machine", error);
  }
  return refuse("pin-source", "is a file: URI with more than a path");
}

function absolute(name: string, path: string): string {
  if (!path.startsWith("/")) refuse(name, "is not an absolute path");
  return path;
}

function isOneOf<Name extends string>(names: readonly Name[], name: string): name is Name {
  return (names as readonly string[]).includes(name);
}

function refuse(field: string, detail: string, cause?: unknown): never {
  const subject = field === "uri" ? "the PKCS#11 URI" : `${field} in the PKCS#11 URI`;
  throw new Failure("invalid-request", `${subject} ${detail}`, { field, cause });
}
