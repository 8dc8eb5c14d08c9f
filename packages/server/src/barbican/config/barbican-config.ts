import { resolve } from "node:path";
import type {
  HmacKeyType,
  HmacMechanism,
  KeyWrapMechanism,
  ProjectKeyTarget,
} from "../../core/barbican/project-key.ts";
import { HMAC_KEY_TYPES, HMAC_MECHANISMS, KEY_WRAP_MECHANISMS } from "../../core/barbican/project-key.ts";
import { Failure } from "../../core/errors.ts";
import { SecretBytes } from "../../core/secret/secret-bytes.ts";
import type { FoundOption, OptionName, OsloConfig } from "./oslo-config.ts";
import { readOsloConfig } from "./oslo-config.ts";

/*
 * What a tool for project keys needs of barbican.conf, by the names that the options have and had in all releases
 * (openstack/barbican: barbican/plugin/crypto/p11_crypto.py, barbican/common/config.py; openstack/oslo.db: oslo_db/options.py).
 *
 * Not read: rw_session, os_locking_ok, always_set_cka_sensitive, the caches and the seed (Claviger has ways of its own with
 * a token), encryption_mechanism and aes_gcm_generate_iv (each secret names its own).
 */

export interface BarbicanConfig {
  /** The token is that with the serial number; or else the first with one of the labels; or else the one in the slot. */
  readonly token: {
    /** Absolute. */
    readonly modulePath: string;
  } & TokenName;
  readonly pin: SecretBytes;
  /** What Barbican wraps new project keys with, once it was started with these files. */
  readonly current: ProjectKeyTarget;
  readonly hmacKeyType: HmacKeyType;
  readonly hmacMechanism: HmacMechanism;
  /** As SQLAlchemy takes it, and most often with a password in it: it is for `parseDatabaseUrl`, and never shown. */
  readonly databaseUrl: string;
  readonly pkekLengthBytes: number;
}

/** By one thing alone: what has less precedence is left out. */
export type TokenName =
  | { readonly serial: string }
  | { readonly labels: readonly [string, ...string[]] }
  | { readonly slotId: number };

const P11 = "p11_crypto_plugin";
/** Options by the name of today and those of before. */
const OPTIONS = {
  libraryPath: p11("library_path"),
  serial: p11("token_serial_number"),
  labels: p11("token_labels"),
  /** Was an option of its own, beside `token_labels`, up to 15.0.1. */
  label: p11("token_label"),
  slotId: p11("slot_id"),
  login: p11("login"),
  mkekLabel: p11("mkek_label"),
  hmacLabel: p11("hmac_label"),
  hmacKeyType: p11("hmac_key_type"),
  hmacMechanism: p11("hmac_mechanism", "hmac_keywrap_mechanism"),
  keyWrapMechanism: p11("key_wrap_mechanism"),
  keyWrapGenerateIv: p11("key_wrap_generate_iv"),
  pkekLength: p11("pkek_length"),
  connection: [
    ["database", "connection"],
    ["DEFAULT", "sql_connection"],
    ["database", "sql_connection"],
    ["sql", "connection"],
  ],
} as const satisfies Record<string, readonly [OptionName, ...OptionName[]]>;

const DEFAULT_SLOT_ID = 1;
const DEFAULT_PKEK_BYTES = 32;
const PKEK_LENGTHS = ["16", "24", "32"];
const TRUE = ["true", "1", "on", "yes"];
const FALSE = ["false", "0", "off", "no"];

/**
 * Reads barbican.conf: files and folders of *.conf, in order of growing precedence.
 * @throws Failure `barbican-config-unsuitable`, which names file, section and option, and never PIN or password.
 */
export function readBarbicanConfig(paths: readonly string[]): BarbicanConfig {
  const config = readOsloConfig(paths);
  const find = (option: keyof typeof OPTIONS): FoundOption | undefined => config.find(OPTIONS[option]);
  const need = (option: keyof typeof OPTIONS): FoundOption => required(config, paths, OPTIONS[option]);

  const modulePath = resolve(need("libraryPath").value);
  const login = need("login").value;
  const mechanism: KeyWrapMechanism = oneOf(
    find("keyWrapMechanism"),
    Object.keys(KEY_WRAP_MECHANISMS) as KeyWrapMechanism[],
    "CKM_AES_CBC_PAD",
  );
  const generatesIv = booleanOf(find("keyWrapGenerateIv"), true);
  return {
    token: { modulePath, ...tokenOf(find("serial"), find("labels"), find("label"), find("slotId")) },
    current: {
      mkekLabel: need("mkekLabel").value,
      hmacLabel: need("hmacLabel").value,
      mechanism,
      // Releases before 20.0.0 know neither option, and give an IV always.
      generatesIv: generatesIv || mechanism === "CKM_AES_CBC_PAD",
    },
    hmacKeyType: oneOf(find("hmacKeyType"), Object.keys(HMAC_KEY_TYPES) as HmacKeyType[], "CKK_AES"),
    hmacMechanism: oneOf(
      find("hmacMechanism"),
      Object.keys(HMAC_MECHANISMS) as HmacMechanism[],
      "CKM_SHA256_HMAC",
    ),
    databaseUrl: need("connection").value,
    pkekLengthBytes: Number(oneOf(find("pkekLength"), PKEK_LENGTHS, String(DEFAULT_PKEK_BYTES))),
    // Last, so that nothing is thrown that would leave it unwiped.
    pin: new SecretBytes(new TextEncoder().encode(login)),
  };
}

/** @throws Failure `barbican-config-unsuitable` */
function tokenOf(
  serial: FoundOption | undefined,
  labels: FoundOption | undefined,
  label: FoundOption | undefined,
  slotId: FoundOption | undefined,
): TokenName {
  if (serial && serial.value !== "") return { serial: serial.value };
  const [first, ...more] = [
    ...new Set([...listOf(labels), ...(label && label.value !== "" ? [label.value] : [])]),
  ];
  return first === undefined ? { slotId: slotOf(slotId) } : { labels: [first, ...more] };
}

/** As oslo_config/types.py reads a list: commas, white space around them, and one that is behind the last. */
function listOf(option: FoundOption | undefined): string[] {
  const text = (option?.value ?? "").trim().replace(/,+$/, "");
  return text === "" ? [] : text.split(",").map((item) => item.trim());
}

function slotOf(option: FoundOption | undefined): number {
  const text = option?.value.trim() ?? "";
  if (option === undefined || text === "") return DEFAULT_SLOT_ID;
  if (!/^\d{1,15}$/.test(text)) throw unsuitable(option.place, "must be a whole number");
  return Number(text);
}

function booleanOf(option: FoundOption | undefined, usual: boolean): boolean {
  if (option === undefined) return usual;
  const text = option.value.toLowerCase();
  if (TRUE.includes(text)) return true;
  if (FALSE.includes(text)) return false;
  throw unsuitable(option.place, `must be one of ${[...TRUE, ...FALSE].join(", ")}`);
}

function oneOf<Value extends string>(
  option: FoundOption | undefined,
  allowed: readonly Value[],
  usual: Value,
): Value {
  if (option === undefined) return usual;
  const value = allowed.find((candidate) => candidate === option.value.trim());
  if (value === undefined) throw unsuitable(option.place, `must be one of ${allowed.join(", ")}`);
  return value;
}

/** An empty value is none. */
function required(
  config: OsloConfig,
  paths: readonly string[],
  names: readonly [OptionName, ...OptionName[]],
): FoundOption {
  const option = config.find(names);
  if (option && option.value !== "") return option;
  const [group, name] = names[0];
  throw unsuitable(`${paths.join(", ")}: [${group}] ${name}`, "is required");
}

function unsuitable(place: string, complaint: string): Failure {
  return new Failure("barbican-config-unsuitable", `${place} ${complaint}.`);
}

function p11<const Names extends readonly [string, ...string[]]>(
  ...names: Names
): { readonly [Place in keyof Names]: OptionName } {
  return names.map((name): OptionName => [P11, name]) as { readonly [Place in keyof Names]: OptionName };
}
