import type {
  ProjectKeyRefusal,
  SealedSecret,
  SecretMechanism,
  WrappedProjectKey,
} from "../../../core/barbican/project-key.ts";
import { SECRET_MECHANISMS } from "../../../core/barbican/project-key.ts";
import type { FieldReader } from "../../../core/fields.ts";
import { FieldPacker } from "./field-packer.ts";

/*
 * Project KEKs, secrets, and what became of them, on their way to a unit host and back: a million rows go this way, so what
 * many rows share is said once. Fields (core/fields.ts):
 *
 *     keys     text masters (JSON) | count rows | for each: count master | wrapped
 *     made     for each: byte refusal; 0: | wrapped
 *     secrets  count secrets | for each: byte mechanism | bytes iv | bytes ciphertext
 *     opened   for each: byte refusal; 0: it opens
 *     wrapped  byte 1, or 0 where there is no IV | bytes iv | bytes wrapped | bytes hmac
 */

/** What most keys of a Barbican have in common. */
type Master = Pick<WrappedProjectKey, "mkekLabel" | "hmacLabel" | "mechanism">;

/** What is wrapped, and what signs it. */
export type WrappedBytes = Pick<WrappedProjectKey, "iv" | "wrapped" | "hmac">;

export interface Refused<Why extends ProjectKeyRefusal = ProjectKeyRefusal> {
  readonly refused: Why;
}

/** What a refusal is called on the way; 0 is none. */
const REFUSAL_CODES = {
  "mkek-missing": 1,
  "mkek-ambiguous": 2,
  "hmac-key-missing": 3,
  "hmac-key-ambiguous": 4,
  "hmac-mismatch": 5,
  "mechanism-unsupported": 6,
  "not-opened": 7,
  malformed: 8,
} as const satisfies Record<ProjectKeyRefusal, number>;

const REFUSALS = Object.keys(REFUSAL_CODES) as readonly ProjectKeyRefusal[];
const SECRETS = Object.keys(SECRET_MECHANISMS) as readonly SecretMechanism[];

const COUNT_BYTES = 4;
/** The fields of a key but for what is in them. */
const WRAPPED_BYTES = 1 + 3 * COUNT_BYTES;
const NO_IV = new Uint8Array(0);

export function packKeys(keys: readonly WrappedProjectKey[]): Uint8Array {
  const masters = new Map<string, number>();
  const places = keys.map(({ mkekLabel, hmacLabel, mechanism }) => {
    const master = JSON.stringify({ mkekLabel, hmacLabel, mechanism } satisfies Master);
    const place = masters.get(master) ?? masters.size;
    masters.set(master, place);
    return place;
  });
  const header = Buffer.from(`[${[...masters.keys()].join(",")}]`);
  const lengthBytes = keys.reduce(
    (sum, key) => sum + COUNT_BYTES + wrappedBytes(key),
    2 * COUNT_BYTES + header.byteLength,
  );
  const fields = new FieldPacker(lengthBytes);
  fields.bytes(header);
  fields.count(keys.length);
  for (const [i, key] of keys.entries()) {
    fields.count(places[i] ?? 0);
    packWrapped(fields, key);
  }
  return fields.finish();
}

export function readKeys(fields: FieldReader): readonly WrappedProjectKey[] {
  const masters = JSON.parse(fields.text()) as readonly Master[];
  return Array.from({ length: fields.count() }, () => {
    const master = masters[fields.count()];
    if (!master) throw new TypeError("a key under a master that is not listed");
    const { mkekLabel, hmacLabel, mechanism } = master;
    const { iv, wrapped, hmac } = readWrapped(fields);
    return { iv, wrapped, hmac, mkekLabel, hmacLabel, mechanism };
  });
}

export function packMade(made: readonly (WrappedBytes | Refused)[]): Uint8Array {
  const lengthBytes = made.reduce((sum, one) => sum + 1 + ("refused" in one ? 0 : wrappedBytes(one)), 0);
  const fields = new FieldPacker(lengthBytes);
  for (const one of made) {
    fields.byte(codeOf(one));
    if (!("refused" in one)) packWrapped(fields, one);
  }
  return fields.finish();
}

export function readMade(fields: FieldReader, count: number): readonly (WrappedBytes | Refused)[] {
  return Array.from({ length: count }, () => readRefusal(fields) ?? readWrapped(fields));
}

export function packOpened(opened: readonly ("opened" | Refused)[]): Uint8Array {
  return Uint8Array.from(opened, codeOf);
}

export function readOpened(fields: FieldReader, count: number): readonly ("opened" | Refused)[] {
  return Array.from({ length: count }, () => readRefusal(fields) ?? "opened");
}

export function packSecrets(secrets: readonly SealedSecret[]): Uint8Array {
  const lengthBytes = secrets.reduce(
    (sum, { iv, ciphertext }) => sum + 1 + 2 * COUNT_BYTES + iv.byteLength + ciphertext.byteLength,
    COUNT_BYTES,
  );
  const fields = new FieldPacker(lengthBytes);
  fields.count(secrets.length);
  for (const { mechanism, iv, ciphertext } of secrets) {
    fields.byte(SECRETS.indexOf(mechanism));
    fields.bytes(iv);
    fields.bytes(ciphertext);
  }
  return fields.finish();
}

export function readSecrets(fields: FieldReader): readonly SealedSecret[] {
  return Array.from({ length: fields.count() }, () => {
    const mechanism = SECRETS[fields.byte()];
    if (!mechanism) throw new TypeError("a secret by a mechanism that is not listed");
    return { mechanism, iv: fields.bytes(), ciphertext: fields.bytes() };
  });
}

function wrappedBytes({ iv, wrapped, hmac }: WrappedBytes): number {
  return WRAPPED_BYTES + (iv?.byteLength ?? 0) + wrapped.byteLength + hmac.byteLength;
}

function packWrapped(fields: FieldPacker, { iv, wrapped, hmac }: WrappedBytes): void {
  fields.byte(iv ? 1 : 0);
  fields.bytes(iv ?? NO_IV);
  fields.bytes(wrapped);
  fields.bytes(hmac);
}

function readWrapped(fields: FieldReader): WrappedBytes {
  const hasIv = fields.byte() === 1;
  const iv = fields.bytes();
  return { iv: hasIv ? iv : null, wrapped: fields.bytes(), hmac: fields.bytes() };
}

function codeOf(one: WrappedBytes | "opened" | Refused): number {
  return one !== "opened" && "refused" in one ? REFUSAL_CODES[one.refused] : 0;
}

function readRefusal(fields: FieldReader): Refused | undefined {
  const code = fields.byte();
  if (code === 0) return undefined;
  const refused = REFUSALS.find((name) => REFUSAL_CODES[name] === code);
  if (!refused) throw new TypeError("a refusal that is not listed");
  return { refused };
}
