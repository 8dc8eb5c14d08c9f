import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { configOf } from "../../../../../test/config-of.ts";
import { CHEAP_KDF } from "../../../../../test/contracts/software-units.ts";
import type { SoftTokens } from "../../../../../test/soft-tokens.ts";
import { softTokens } from "../../../../../test/soft-tokens.ts";
import { Failure } from "../../core/errors.ts";
import type { GroupName, UnitAddress } from "../../core/ids.ts";
import { DEFAULT_GROUP } from "../../core/ids.ts";
import type { TokenAttachment, UnitFolder } from "../../core/ports/unit-folder.ts";
import type { Pkcs11Config } from "../../ops/config.ts";
import { openDataFolder } from "../../ops/data-folder.ts";
import { unitFolder } from "../../unit-folder.ts";
import { checkPinFile } from "./token-rules.ts";

/* Attachments of tokens, in the folder that has software units beside them, as the daemon has it. */

const ADDRESS = "02.0001" as UnitAddress;
const MODULE = "/usr/lib/vendor/libtoken.so";
let parent: string;
let tokens: SoftTokens;
const data = () => openDataFolder(join(parent, "data"));
const pinFile = () => join(data().pins, "one.pin");
const uri = (more: { module?: string; pin?: string; token?: string; query?: string } = {}) =>
  `pkcs11:token=${more.token ?? "one"}?module-path=${more.module ?? MODULE}&pin-source=${more.pin ?? pinFile()}${more.query ?? ""}`;

function folder(rules: Partial<Pkcs11Config> = {}): UnitFolder {
  const { pkcs11 } = configOf(data().path);
  const allowed = { ...pkcs11, modules: [MODULE], ...rules };
  return unitFolder(data(), { pkcs11: allowed }, { opener: tokens, kdf: CHEAP_KDF });
}

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "claviger-attachments-"));
  mkdirSync(join(parent, "tokens"));
  tokens = softTokens(join(parent, "tokens"));
  writeFileSync(pinFile(), "1234\n", { mode: 0o600 });
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

const attach = async (attachment: TokenAttachment = { uri: uri() }, rules: Partial<Pkcs11Config> = {}) => {
  await (await folder(rules).create(ADDRESS, DEFAULT_GROUP, attachment)).close();
};
async function refused(promise: Promise<unknown>): Promise<Failure> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("an attachment", () => {
  test("is a note for its owner only, by which the token is opened at the next start", async () => {
    await attach();
    const path = join(data().units, `${ADDRESS}.pkcs11`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const unit = await folder().open(ADDRESS);
    expect(unit.description).toMatchObject({ address: ADDRESS, group: DEFAULT_GROUP, adapter: "pkcs11" });
    await unit.close();
    expect(tokens.calls.map(({ call }) => call)).toEqual(["create", "open"]);
    expect(tokens.calls[1]).toMatchObject({
      address: ADDRESS,
      group: DEFAULT_GROUP,
      location: { modulePath: MODULE, pinFile: pinFile(), token: "one" },
    });
    expect(await folder().list()).toEqual([ADDRESS]);
  });

  test("is written once the token is attached, and not for one that is refused", async () => {
    tokens.create = () => Promise.reject(new Failure("unit-pin-wrong"));
    expect((await refused(attach())).code).toBe("unit-pin-wrong");
    expect(await folder().list()).toEqual([]);
  });

  test("of an interrupted creation is taken up again, with the same token and group only", async () => {
    await attach();
    await attach();
    expect((await refused(attach({ uri: uri({ token: "two" }) }))).code).toBe("unit-exists");
    const others = folder().create(ADDRESS, "others" as GroupName, { uri: uri() });
    expect((await refused(others)).code).toBe("unit-exists");
  });

  test("is set aside alone: the token keeps its keys, and what the unit remembers stays", async () => {
    await attach();
    const stateFolder = tokens.calls[0]?.stateFolder ?? "";
    expect(statSync(stateFolder).mode & 0o777).toBe(0o700);
    await folder().setAside(ADDRESS);
    await folder().setAside(ADDRESS);
    expect(await folder().list()).toEqual([]);
    expect(readdirSync(data().units).toSorted()).toEqual([`${ADDRESS}.pkcs11.removed`, `${ADDRESS}.token`]);
    expect(readdirSync(join(parent, "tokens"))).toContain("one.content");
    await attach();
    await folder().setAside(ADDRESS);
    expect(readdirSync(data().units)).toHaveLength(2);
  });

  test("keeps whether new master keys may be copied: no, unless it was said when the unit was made", async () => {
    await attach();
    expect((await refused(attach({ uri: uri(), isClonable: true }))).code).toBe("unit-exists");
    await folder().setAside(ADDRESS);
    await attach({ uri: uri(), isClonable: true });
    await (await folder().open(ADDRESS)).close();
    expect(tokens.calls.map(({ isClonable }) => isClonable)).toEqual([false, true, true]);
  });

  test.for([
    "",
    "{",
    "[]",
    '{"format":2,"group":"default","uri":"pkcs11:token=a","clonable":false}',
    '{"format":1,"group":"default","uri":"pkcs11:token=a"}',
    '{"format":1}',
  ])("that is %j is damaged", async (text) => {
    writeFileSync(join(data().units, `${ADDRESS}.pkcs11`), text);
    expect((await refused(folder().open(ADDRESS))).code).toBe("unit-file-tampered");
  });

  test("that is not there is missed", async () => {
    expect((await refused(folder().open(ADDRESS))).code).toBe("unit-missing");
  });
});

describe("software units and tokens", () => {
  test("do not take each other's addresses", async () => {
    await (await folder().create(ADDRESS, DEFAULT_GROUP)).close();
    expect(await refused(attach())).toMatchObject({
      code: "unit-exists",
      message: `there is a software unit at address ${ADDRESS}`,
    });
    await folder().setAside(ADDRESS);
    await attach();
    expect(await refused(folder().create(ADDRESS, DEFAULT_GROUP))).toMatchObject({
      code: "unit-exists",
      message: `there is a PKCS#11 token at address ${ADDRESS}`,
    });
  });

  test("are listed together, and each is opened as what it is", async () => {
    const other = "01.0001" as UnitAddress;
    await attach();
    await (await folder().create(other, DEFAULT_GROUP)).close();
    expect((await folder().list()).toSorted()).toEqual([other, ADDRESS]);
    const unit = await folder().open(other);
    expect(unit.description.adapter).toBe("software");
    await unit.close();
  });
});

describe("a token of the configuration", () => {
  const elsewhere = () => join(parent, "elsewhere.pin");
  const named = (more = {}) => ({
    modules: [],
    units: new Map([[ADDRESS, uri({ pin: elsewhere(), ...more })]]),
  });
  beforeEach(() => writeFileSync(elsewhere(), "1234", { mode: 0o600 }));

  test("is attached by its address alone, with any module and PIN file", async () => {
    expect(folder(named()).reserved()).toEqual([ADDRESS]);
    await (await folder(named()).create(ADDRESS, DEFAULT_GROUP)).close();
    expect(tokens.calls[0]?.location).toMatchObject({ modulePath: MODULE, pinFile: elsewhere() });
    expect(await refused(attach({ uri: uri() }, named()))).toMatchObject({ code: "unit-exists" });
  });

  test("is where the configuration says now, whatever the attachment says", async () => {
    await (await folder(named()).create(ADDRESS, DEFAULT_GROUP)).close();
    await (await folder(named({ module: "/opt/new.so" })).open(ADDRESS)).close();
    expect(tokens.calls.at(-1)?.location.modulePath).toBe("/opt/new.so");
  });

  test("is made clonable by the configuration, which changes nothing of it later", async () => {
    await (await folder({ ...named(), clonable: [ADDRESS] }).create(ADDRESS, DEFAULT_GROUP)).close();
    await (await folder(named()).open(ADDRESS)).close();
    await (await folder(named()).create(ADDRESS, DEFAULT_GROUP)).close();
    expect(tokens.calls.map(({ isClonable }) => isClonable)).toEqual([true, true, true]);
  });

  test("allows its module for requests too", async () => {
    const other = "02.0002" as UnitAddress;
    await (await folder(named()).create(other, DEFAULT_GROUP, { uri: uri({ token: "two" }) })).close();
    expect(tokens.calls[0]?.location.token).toBe("two");
  });

  test.for([
    ["pkcs11:token=a", "module-path"],
    [`pkcs11:token=a?module-path=${MODULE}`, "pin-source"],
    [`pkcs11:object=a?module-path=${MODULE}&pin-source=/p`, "object"],
  ])("is refused at the start, by its entry, when it is %s", ([text = "", attribute]) => {
    const open = () => folder({ units: new Map([[ADDRESS, text]]) });
    expect(open).toThrow(
      expect.objectContaining({ code: "config-invalid", field: `pkcs11.units.${ADDRESS}` }),
    );
    expect(open).toThrow(attribute);
  });

  test("gets its parameters from the configuration, by its module or in its URI", async () => {
    const libraryParameters = new Map([[MODULE, "of the module"]]);
    await attach({ uri: uri() }, { libraryParameters });
    await (await folder({ ...named(), libraryParameters }).open(ADDRESS)).close();
    await (
      await folder({ ...named({ query: "&x-init-reserved=own" }), libraryParameters }).open(ADDRESS)
    ).close();
    expect(tokens.calls.map(({ location }) => location.libraryParameters)).toEqual([
      "of the module",
      "of the module",
      "own",
    ]);
  });
});

test("modules see the variables that the configuration names", async () => {
  await attach({ uri: uri() }, { environment: { SOFTHSM2_CONF: "/etc/s.conf" } });
  expect(tokens.calls[0]?.environment).toEqual({ SOFTHSM2_CONF: "/etc/s.conf" });
});

test("a token gets as many unit hosts as the configuration says, and their troubles are told with its address", async () => {
  await attach();
  await folder({ hosts: 12 }).open(ADDRESS);
  expect(tokens.calls.map(({ hosts }) => hosts)).toEqual([undefined, 12]);
  const told: string[] = [];
  const rules = { ...configOf(data().path).pkcs11, modules: [MODULE] };
  const telling = { opener: tokens, onTrouble: (text: string) => told.push(text) };
  await (await unitFolder(data(), { pkcs11: rules }, telling).open(ADDRESS)).close();
  tokens.calls.at(-1)?.onTrouble?.("a unit host exited with status 1; another one is started");
  expect(told).toEqual([`unit ${ADDRESS}: a unit host exited with status 1; another one is started`]);
});

describe("a request does not attach", () => {
  const cases: readonly (readonly [string, () => string, string, RegExp])[] = [
    ["what is no URI", () => "pkcs11:", "invalid-request", /names no token/],
    ["a PIN", () => uri({ query: "&pin-value=1234" }), "invalid-request", /pin-value/],
    [
      "a token without a PIN file",
      () => `pkcs11:token=a?module-path=${MODULE}`,
      "invalid-request",
      /pin-source/,
    ],
    ["parameters", () => uri({ query: "&x-init-reserved=a" }), "invalid-request", /library_parameters/],
    [
      "a module that is not listed",
      () => uri({ module: "/tmp/mine.so" }),
      "module-not-allowed",
      /\/tmp\/mine\.so/,
    ],
    [
      "a module by another name",
      () => uri({ module: `/usr/lib/../lib/vendor/libtoken.so` }),
      "module-not-allowed",
      /./,
    ],
    ["a PIN file elsewhere", () => uri({ pin: "/etc/hostname" }), "pin-file-refused", /is not in/],
    [
      "a PIN file by a way out",
      () => uri({ pin: `${data().pins}/../admin.token` }),
      "pin-file-refused",
      /is not in/,
    ],
    [
      "a PIN file that is not there",
      () => uri({ pin: `${data().pins}/no.pin` }),
      "pin-file-refused",
      /is not there/,
    ],
    ["the folder of PIN files", () => uri({ pin: `${data().pins}/` }), "pin-file-refused", /is not/],
  ];
  test.for(cases)("%s", async ([, text, code, message]) => {
    const failure = await refused(attach({ uri: text() }));
    expect(failure).toMatchObject({ code });
    expect(failure.message).toMatch(message);
    expect(failure.message).not.toContain("1234");
    expect(tokens.calls).toEqual([]);
    expect(readdirSync(data().units)).toEqual([]);
  });

  test("a PIN file that is a link out of its folder, or open to others", async () => {
    writeFileSync(join(parent, "secret"), "1", { mode: 0o600 });
    symlinkSync(join(parent, "secret"), join(data().pins, "link"));
    const link = await refused(attach({ uri: uri({ pin: join(data().pins, "link") }) }));
    expect([link.code, /is a link out of/.test(link.message)]).toEqual(["pin-file-refused", true]);
    for (const mode of [0o604, 0o660, 0o601]) {
      chmodSync(pinFile(), mode);
      expect((await refused(attach())).message).toContain(`is open to others (mode 0${mode.toString(8)})`);
    }
    chmodSync(pinFile(), 0o440);
    await attach();
  });

  test("a PIN file of another user", () => {
    if (process.getuid?.() === 0) chownSync(pinFile(), 12_345, 12_345);
    const { uid } = statSync(pinFile());
    expect(() => checkPinFile(pinFile(), data().pins, uid)).not.toThrow();
    expect(() => checkPinFile(pinFile(), data().pins, 4_242)).toThrow(`belongs to user ${uid}`);
  });

  test("at the next start, a module that was taken from the list", async () => {
    await attach();
    expect((await refused(folder({ modules: [] }).open(ADDRESS))).code).toBe("module-not-allowed");
  });
});
