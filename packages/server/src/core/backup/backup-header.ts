import { Failure } from "../errors.ts";
import type { ChangeId, GroupName, KekId, KeyId, MasterKeyType, ProjectId, Vp } from "../ids.ts";
import { isUuid, MASTER_KEY_TYPES } from "../ids.ts";
import type { ChangeState } from "../master-key-change/change.ts";
import type { CensusLine } from "../ports/change-store.ts";
import type { WrappedKek } from "../unit/crypto-unit.ts";

/**
 * What stands in clear in front of a backup (docs/backup-format.md §3): what it is, and what a unit needs to open it. Keys in it
 * are wrapped; nothing in it is trusted before the first chunk, which authenticates all of it, has opened.
 */
export interface BackupHeader {
  readonly format: 1;
  /** UUID of this backup. */
  readonly id: string;
  readonly claviger: string;
  readonly createdAtMs: number;
  /** Name of the machine whose daemon made it. */
  readonly node: string;
  readonly schema: number;
  readonly masterKeys: readonly MasterKeyNeed[];
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
  /** The KEK that the sealing key is under, in every form it had. */
  readonly kek: {
    readonly id: KekId;
    readonly projectId: ProjectId;
    readonly group: GroupName;
    readonly type: MasterKeyType;
    readonly kcv: Uint8Array;
    readonly wrapped: readonly WrappedKek[];
  };
  /** The key version that seals the file key. */
  readonly sealingKey: { readonly id: KeyId; readonly version: number; readonly wrapped: Uint8Array };
  readonly fileKey: Uint8Array;
}

/** The master keys of one group and type: patterns that any wrapped KEK of the backup is under, and past changes. */
export interface MasterKeyNeed {
  readonly group: GroupName;
  readonly type: MasterKeyType;
  readonly current: Vp;
  readonly patterns: readonly CensusLine[];
  readonly changes: readonly PastChange[];
}

export interface PastChange {
  readonly id: ChangeId;
  readonly state: ChangeState;
  readonly from: Vp;
  readonly to: Vp;
  readonly openedAtMs: number;
}

export const HEADER_LIMIT_BYTES = 1024 * 1024;

/** The header as its bytes: JSON, bytes in it in base64, times in RFC 3339. */
export function encodeHeader(header: BackupHeader): Uint8Array {
  const { kek, sealingKey, fileKey, createdAtMs, ...rest } = header;
  return Buffer.from(
    JSON.stringify({
      ...rest,
      createdAt: new Date(createdAtMs).toISOString(),
      masterKeys: header.masterKeys.map((need) => ({
        ...need,
        changes: need.changes.map(({ openedAtMs, ...change }) => ({
          ...change,
          openedAt: new Date(openedAtMs).toISOString(),
        })),
      })),
      kek: {
        ...kek,
        kcv: base64(kek.kcv),
        wrapped: kek.wrapped.map(({ vp, blob }) => ({ vp, blob: base64(blob) })),
      },
      sealingKey: { ...sealingKey, wrapped: base64(sealingKey.wrapped) },
      fileKey: base64(fileKey),
    }),
    "utf8",
  );
}

/**
 * The header in `bytes`; members that this release does not know are passed over.
 * @throws Failure `backup-newer` for another format, `backup-damaged` for what is no header.
 */
export function parseHeader(bytes: Uint8Array): BackupHeader {
  const header = member(jsonOf(bytes));
  const format = header.whole("format");
  if (format !== 1)
    throw new Failure("backup-newer", `the backup has format ${format}; this release knows 1`);
  const kek = header.object("kek");
  const sealingKey = header.object("sealingKey");
  return {
    format,
    id: header.uuid("id"),
    claviger: header.text("claviger"),
    createdAtMs: header.time("createdAt"),
    node: header.text("node"),
    schema: header.whole("schema"),
    masterKeys: header.list("masterKeys").map(needOf),
    tables: header.list("tables").map((row) => ({ table: row.text("table"), rows: row.whole("rows") })),
    kek: {
      id: kek.uuid("id") as KekId,
      projectId: kek.uuid("projectId") as ProjectId,
      group: kek.text("group") as GroupName,
      type: kek.type("type"),
      kcv: kek.bytes("kcv"),
      wrapped: kek.list("wrapped").map((form) => ({ vp: form.vp("vp"), blob: form.bytes("blob") })),
    },
    sealingKey: {
      id: sealingKey.uuid("id") as KeyId,
      version: sealingKey.whole("version"),
      wrapped: sealingKey.bytes("wrapped"),
    },
    fileKey: header.bytes("fileKey"),
  };
}

function needOf(need: Member): MasterKeyNeed {
  return {
    group: need.text("group") as GroupName,
    type: need.type("type"),
    current: need.vp("current"),
    patterns: need.list("patterns").map((line) => ({
      vp: line.vp("vp"),
      current: line.whole("current"),
      next: line.whole("next"),
      previous: line.whole("previous"),
    })),
    changes: need.list("changes").map((change) => ({
      id: change.uuid("id") as ChangeId,
      state: change.text("state") as ChangeState,
      from: change.vp("from"),
      to: change.vp("to"),
      openedAtMs: change.time("openedAt"),
    })),
  };
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof TypeError)) throw error;
    return damaged("it is not JSON");
  }
}

/** Reads members of an object of the header, each of its kind; anything else is damage. */
interface Member {
  text(name: string): string;
  /** From 0. */
  whole(name: string): number;
  uuid(name: string): string;
  vp(name: string): Vp;
  type(name: string): MasterKeyType;
  time(name: string): number;
  bytes(name: string): Uint8Array;
  object(name: string): Member;
  list(name: string): readonly Member[];
}

function member(value: unknown): Member {
  if (typeof value !== "object" || value === null || Array.isArray(value)) damaged("a member is missing");
  const get = (name: string): unknown => (Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined);
  const text = (name: string): string => {
    const found = get(name);
    return typeof found === "string" ? found : damaged(`\`${name}\` is no text`);
  };
  const matching = (name: string, form: RegExp): string => {
    const found = text(name);
    return form.test(found) ? found : damaged(`\`${name}\` has not the form it must have`);
  };
  return {
    text,
    whole: (name) => {
      const found = get(name);
      return Number.isSafeInteger(found) && Number(found) >= 0
        ? Number(found)
        : damaged(`\`${name}\` is no number`);
    },
    uuid: (name) => {
      const found = text(name);
      return isUuid(found) ? found : damaged(`\`${name}\` is no UUID`);
    },
    vp: (name) => matching(name, /^[0-9a-f]{64}$/) as Vp,
    type: (name) =>
      MASTER_KEY_TYPES.find((type) => type === get(name)) ?? damaged(`\`${name}\` is no master key type`),
    time: (name) => {
      const ms = Date.parse(matching(name, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/));
      return Number.isNaN(ms) ? damaged(`\`${name}\` is no time`) : ms;
    },
    bytes: (name) =>
      Buffer.from(
        matching(name, /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/),
        "base64",
      ),
    object: (name) => member(get(name)),
    list: (name) => {
      const found = get(name);
      return Array.isArray(found)
        ? found.map((item: unknown) => member(item))
        : damaged(`\`${name}\` is no list`);
    },
  };
}

function damaged(what: string): never {
  throw new Failure("backup-damaged", `the header of the backup cannot be read: ${what}`);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
