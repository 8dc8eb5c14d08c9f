import { randomBytes, randomUUID } from "node:crypto";
import { afterEach, describe, expect, test } from "vitest";
import type { FailureCode } from "../../packages/server/src/core/errors.ts";
import { isFailure } from "../../packages/server/src/core/errors.ts";
import type { GroupName, KekId, ProjectId, Vp } from "../../packages/server/src/core/ids.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE, shownVp } from "../../packages/server/src/core/ids.ts";
import { isPayloadSuite, PAYLOAD_SUITES } from "../../packages/server/src/core/crypto/payload-suite.ts";
import { reveal } from "../../packages/server/src/core/secret/secret-bytes.ts";
import type {
  CryptoUnit,
  KekBatchRow,
  KekBinding,
  KekToOpen,
  UnitAbilities,
  WrappedKek,
} from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { RegisterReading } from "../../packages/server/src/core/unit/registers.ts";

/** Units of one group with empty registers, at different addresses, and how to let go of them. */
export interface UnitsForTest {
  readonly units: readonly CryptoUnit[];
  dispose(): Promise<void>;
}

/** A kind of unit that the contracts are run against. */
export interface UnitKind {
  readonly name: string;
  /** What units of this kind say of themselves: what they lack, the contracts expect to be refused. */
  readonly abilities: UnitAbilities;
  readonly make: (count: number) => Promise<UnitsForTest>;
}

const TYPE = DEFAULT_TYPE;
const aad = Buffer.from("aad");

export function newBinding(group: GroupName = DEFAULT_GROUP): KekBinding {
  return { group, type: TYPE, projectId: randomUUID() as ProjectId, kekId: randomUUID() as KekId };
}

/** Fills NEW and commits it. */
export async function prepareNew(unit: CryptoUnit): Promise<Vp> {
  const { NEW } = await unit.registers.execute({ verb: "generate", type: TYPE });
  const vp = present(NEW.vp);
  await unit.registers.execute({ verb: "commit", type: TYPE, vp });
  return vp;
}

/** A first master key in CURRENT. */
export async function prepareCurrent(unit: CryptoUnit): Promise<Vp> {
  const vp = await prepareNew(unit);
  await unit.registers.execute({ verb: "set-immediate", type: TYPE, vp });
  return vp;
}

export async function reading(unit: CryptoUnit): Promise<RegisterReading> {
  return present((await unit.registers.read()).find(({ type }) => type === TYPE));
}

export function present<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error("expected a value");
  return value;
}

export async function refusal(work: Promise<unknown>): Promise<FailureCode | "no failure"> {
  try {
    await work;
    return "no failure";
  } catch (error) {
    if (isFailure(error)) return error.code;
    throw error;
  }
}

/** A copy of `bytes` with one bit of byte `at` changed. */
export function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

export async function newKek(
  unit: CryptoUnit,
  vp: Vp,
  binding = newBinding(unit.description.group),
): Promise<KekToOpen> {
  const { kcv, wrapped } = await unit.keks.create(binding, [vp]);
  return { ...binding, kcv, wrapped: present(wrapped[0]) };
}

function rowOf({ projectId, kekId, kcv, wrapped }: KekToOpen): KekBatchRow {
  return { projectId, kekId, kcv, blob: wrapped.blob };
}

/** What every adapter of the crypto-unit port must do. */
export function cryptoUnitContract({ name, abilities, make }: UnitKind): void {
  const opened: UnitsForTest[] = [];

  async function units(count: number): Promise<readonly CryptoUnit[]> {
    const made = await make(count);
    opened.push(made);
    return made.units;
  }

  async function oneUnit(): Promise<CryptoUnit> {
    return present((await units(1))[0]);
  }

  afterEach(async () => {
    for (const made of opened.splice(0)) await made.dispose();
  });

  describe(`${name}: abilities`, () => {
    test("states them, and who it is", async () => {
      const [a, b] = await units(2);
      expect(present(a).description.abilities).toEqual(abilities);
      expect(present(b).description.abilities).toEqual(abilities);
      expect(present(b).description.address).not.toBe(present(a).description.address);
      expect(present(b).description.publicKey).not.toEqual(present(a).description.publicKey);
    });
  });

  describe(`${name}: registers`, () => {
    test("starts with empty registers", async () => {
      const unit = await oneUnit();
      expect(await reading(unit)).toEqual({
        type: TYPE,
        NEW: { state: "empty", vp: undefined },
        CURRENT: { state: "empty", vp: undefined },
        OLD: { state: "empty", vp: undefined },
      });
    });

    test("generates, commits and activates; CURRENT becomes OLD", async () => {
      const unit = await oneUnit();
      const first = await prepareCurrent(unit);
      const second = await prepareNew(unit);
      expect((await reading(unit)).NEW).toEqual({ state: "full committed", vp: second });
      const after = await unit.registers.execute({ verb: "activate", type: TYPE, vp: second });
      const { generations, ...registers } = after;
      expect(registers).toEqual({
        type: TYPE,
        NEW: { state: "empty", vp: undefined },
        CURRENT: { state: "valid", vp: second },
        OLD: { state: "valid", vp: first },
      });
      // Units that count their master keys: the later one has the higher number.
      const { CURRENT, OLD } = generations ?? { CURRENT: 1, OLD: 0 };
      expect(present(CURRENT)).toBeGreaterThan(present(OLD));
      expect(await reading(unit)).toEqual(after);
    });

    test("takes the shown 16 bytes of a pattern as its name, in any case, and nothing shorter", async () => {
      const unit = await oneUnit();
      const { NEW } = await unit.registers.execute({ verb: "generate", type: TYPE });
      const shown = shownVp(present(NEW.vp));
      const commit = (vp: string) => unit.registers.execute({ verb: "commit", type: TYPE, vp });
      expect(await refusal(commit(shown.slice(0, 30)))).toBe("register-pattern-mismatch");
      expect((await commit(shown.toUpperCase())).NEW.state).toBe("full committed");
    });

    test("refuses commands that the state of a register does not allow, and changes nothing", async () => {
      const unit = await oneUnit();
      const vp = await prepareCurrent(unit);
      const next = present((await unit.registers.execute({ verb: "generate", type: TYPE })).NEW.vp);
      const before = await reading(unit);
      const execute = unit.registers.execute.bind(unit.registers);
      expect(await refusal(execute({ verb: "generate", type: TYPE }))).toBe("register-state");
      expect(await refusal(execute({ verb: "activate", type: TYPE, vp: next }))).toBe("register-state");
      expect(await refusal(execute({ verb: "set-immediate", type: TYPE, vp: next }))).toBe("register-state");
      expect(await refusal(execute({ verb: "commit", type: TYPE, vp }))).toBe("register-pattern-mismatch");
      expect(await refusal(execute({ verb: "clear", type: TYPE, register: "OLD", vp }))).toBe(
        "register-state",
      );
      expect(await refusal(execute({ verb: "recall-old", type: TYPE, vp }))).toBe(
        abilities.recallOld ? "register-state" : "unit-lacks-ability",
      );
      expect(await reading(unit)).toEqual(before);
    });

    test("serves commands that come together one after the other", async () => {
      const unit = await oneUnit();
      const answers = await Promise.allSettled(
        [1, 2, 3].map(() => unit.registers.execute({ verb: "generate", type: TYPE })),
      );
      expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
    });

    test("recalls OLD into NEW where it can, and refuses it where it cannot", async () => {
      const unit = await oneUnit();
      const first = await prepareCurrent(unit);
      await unit.registers.execute({ verb: "activate", type: TYPE, vp: await prepareNew(unit) });
      const recall = unit.registers.execute({ verb: "recall-old", type: TYPE, vp: first });
      if (abilities.recallOld) {
        expect((await recall).NEW).toEqual({ state: "full uncommitted", vp: first });
      } else {
        expect(await refusal(recall)).toBe("unit-lacks-ability");
      }
    });

    test("refuses a master key type that it does not state", async () => {
      const unit = await oneUnit();
      const stated: readonly string[] = abilities.masterKeyTypes;
      for (const type of (["SYM", "ASYM", "AES", "APKA"] as const).filter((each) => !stated.includes(each))) {
        expect(await refusal(unit.registers.execute({ verb: "generate", type }))).toBe("unit-lacks-ability");
      }
    });
  });

  describe(`${name}: KEKs`, () => {
    test("wraps a KEK under every pattern that is asked for, each with the same check value", async () => {
      const unit = await oneUnit();
      const vps = [await prepareCurrent(unit), await prepareNew(unit)];
      const binding = newBinding(unit.description.group);
      const { kcv, wrapped } = await unit.keks.create(binding, vps);
      expect(kcv.byteLength).toBe(16);
      expect(wrapped.map(({ vp }) => vp)).toEqual(vps);
      const [underCurrent, underNew] = wrapped.map((each: WrappedKek) => ({
        ...binding,
        kcv,
        wrapped: each,
      }));
      using kek = await unit.keks.open(present(underCurrent));
      expect(kek.unit).toBe(unit.description.address);
      expect(await refusal(unit.keks.open(present(underNew)))).toBe("register-pattern-mismatch");
    });

    test("wraps under no pattern that no register holds, and under no NEW that is not committed", async () => {
      const unit = await oneUnit();
      await prepareCurrent(unit);
      const absent = "00".repeat(32) as Vp;
      const binding = newBinding(unit.description.group);
      expect(await refusal(unit.keks.create(binding, [absent]))).toBe("register-pattern-mismatch");
      const vp = present((await unit.registers.execute({ verb: "generate", type: TYPE })).NEW.vp);
      expect(await refusal(unit.keks.create(binding, [vp]))).toBe("register-state");
    });

    test("opens by OLD what was wrapped before the activation, until OLD is cleared", async () => {
      const unit = await oneUnit();
      const first = await prepareCurrent(unit);
      const kek = await newKek(unit, first);
      await unit.registers.execute({ verb: "activate", type: TYPE, vp: await prepareNew(unit) });
      (await unit.keks.open(kek))[Symbol.dispose]();
      await unit.registers.execute({ verb: "clear", type: TYPE, register: "OLD", vp: first });
      expect(await refusal(unit.keks.open(kek))).toBe("register-pattern-mismatch");
    });

    test("refuses a wrapped KEK that was moved to another row or changed by one bit", async () => {
      const unit = await oneUnit();
      const kek = await newKek(unit, await prepareCurrent(unit));
      const other = newBinding(unit.description.group);
      const { vp, blob } = kek.wrapped;
      const moved: KekToOpen[] = [
        { ...kek, projectId: other.projectId },
        { ...kek, kekId: other.kekId },
        { ...kek, kcv: flipped(kek.kcv, 15) },
        { ...kek, kcv: kek.kcv.subarray(1) },
        { ...kek, wrapped: { vp, blob: blob.subarray(1) } },
        ...Array.from(blob, (_, at) => ({ ...kek, wrapped: { vp, blob: flipped(blob, at) } })),
      ];
      for (const each of moved) expect(await refusal(unit.keks.open(each))).toBe("kek-not-opened");
      const elsewhere = { ...kek, group: "elsewhere" as GroupName };
      expect(await refusal(unit.keks.open(elsewhere))).toBe("register-pattern-mismatch");
    });

    test("re-enciphers a batch, row by row in order, and refuses the bad rows alone", async () => {
      const unit = await oneUnit();
      const from = await prepareCurrent(unit);
      const to = await prepareNew(unit);
      const keks = await Promise.all(Array.from({ length: 12 }, () => newKek(unit, from)));
      const rows = keks.map(rowOf);
      const spoil = (index: number, change: Partial<KekBatchRow>): void => {
        rows[index] = { ...present(rows[index]), ...change };
      };
      const blobAt = (index: number): Uint8Array => present(rows[index]).blob;
      spoil(1, { blob: flipped(blobAt(1), 0) });
      spoil(3, { blob: flipped(blobAt(3), 20) });
      spoil(5, { blob: flipped(blobAt(5), 72) });
      spoil(6, { kcv: flipped(present(rows[6]).kcv, 0) });
      spoil(7, { kcv: new Uint8Array(3) });
      spoil(8, { blob: blobAt(9) });
      spoil(10, { blob: new Uint8Array(0) });
      spoil(11, { projectId: "no uuid" as ProjectId });
      const batch = { group: unit.description.group, type: TYPE, rows };

      const answers = await unit.keks.reencipher(batch, from, to);
      expect(answers.map((row) => ("refused" in row ? row.refused : "done"))).toEqual([
        "done",
        "format-unknown",
        "done",
        "mac-mismatch",
        "done",
        "mac-mismatch",
        "mac-mismatch",
        "check-value-mismatch",
        "mac-mismatch",
        "done",
        "format-unknown",
        "mac-mismatch",
      ]);
      expect((await unit.keks.verify(batch, from, ["CURRENT"])).map((row) => row === "opened")).toEqual(
        answers.map((row) => "blob" in row),
      );

      await unit.registers.execute({ verb: "activate", type: TYPE, vp: to });
      for (const [index, row] of answers.entries()) {
        if ("refused" in row) continue;
        using kek = await unit.keks.open({ ...present(keks[index]), wrapped: { vp: to, blob: row.blob } });
        expect(kek.unit).toBe(unit.description.address);
      }
    });

    test("re-enciphered KEKs open the key material that they wrapped before", async () => {
      const unit = await oneUnit();
      const from = await prepareCurrent(unit);
      const to = await prepareNew(unit);
      const kek = await newKek(unit, from);
      using before = await unit.keks.open(kek);
      const wrapped = await unit.materials.generate(before);
      const batch = { group: unit.description.group, type: TYPE, rows: [rowOf(kek)] };
      const row = present((await unit.keks.reencipher(batch, from, to))[0]);
      if ("refused" in row) throw new Error(row.refused);
      expect(
        await unit.keks.verify({ ...batch, rows: [{ ...rowOf(kek), blob: row.blob }] }, to, ["NEW"]),
      ).toEqual(["opened"]);
      await unit.registers.execute({ verb: "activate", type: TYPE, vp: to });
      using after = await unit.keks.open({ ...kek, wrapped: { vp: to, blob: row.blob } });
      using material = await unit.materials.open(after, wrapped);
      expect(material.unit).toBe(unit.description.address);
    });

    test("re-enciphers and verifies nothing without both master keys, and an empty batch to nothing", async () => {
      const unit = await oneUnit();
      const from = await prepareCurrent(unit);
      const to = await prepareNew(unit);
      const absent = "00".repeat(32) as Vp;
      const batch = { group: unit.description.group, type: TYPE, rows: [] };
      expect(await unit.keks.reencipher(batch, from, to)).toEqual([]);
      expect(await unit.keks.verify(batch, from, ["CURRENT", "OLD"])).toEqual([]);
      expect(await refusal(unit.keks.reencipher(batch, absent, to))).toBe("register-pattern-mismatch");
      expect(await refusal(unit.keks.reencipher(batch, from, absent))).toBe("register-pattern-mismatch");
      expect(await refusal(unit.keks.reencipher(batch, to, from))).toBe("register-pattern-mismatch");
      expect(await refusal(unit.keks.verify(batch, from, ["OLD", "NEW"]))).toBe("register-pattern-mismatch");
    });
  });

  describe(`${name}: key material`, () => {
    async function withMaterial() {
      const unit = await oneUnit();
      const kek = await unit.keks.open(await newKek(unit, await prepareCurrent(unit)));
      const wrapped = await unit.materials.generate(kek);
      return { unit, kek, wrapped, material: await unit.materials.open(kek, wrapped) };
    }

    test("decrypts what it encrypted, of every size, and never seals twice alike", async () => {
      const { unit, material } = await withMaterial();
      for (const size of [0, 1, 16, 1000, 65_536]) {
        const plaintext = randomBytes(size);
        const payload = await unit.materials.encrypt(material, plaintext, aad);
        const again = await unit.materials.encrypt(material, plaintext, aad);
        expect(Buffer.compare(payload.nonce, again.nonce)).not.toBe(0);
        expect(Buffer.compare(payload.sealed, again.sealed)).not.toBe(0);
        using decrypted = await unit.materials.decrypt(material, payload, aad);
        expect(Buffer.compare(reveal(decrypted), plaintext)).toBe(0);
      }
    });

    test("seals with the suite that it states, as much nonce and tag as that asks for", async () => {
      const { unit, material } = await withMaterial();
      const { suite, nonce, sealed } = await unit.materials.encrypt(material, Buffer.from("plain"), aad);
      expect(suite).toBe(abilities.payloadSuite);
      expect(nonce.byteLength).toBe(PAYLOAD_SUITES[abilities.payloadSuite].nonceBytes);
      expect(sealed.byteLength).toBe(5 + 16);
    });

    test("refuses a payload of which anything differs", async () => {
      const { unit, kek, material } = await withMaterial();
      const payload = await unit.materials.encrypt(material, Buffer.from("plain"), aad);
      const decrypt = (change: Partial<typeof payload>, under = material, data: Uint8Array = aad) =>
        refusal(unit.materials.decrypt(under, { ...payload, ...change }, data));
      for (const at of payload.sealed.keys()) {
        expect(await decrypt({ sealed: flipped(payload.sealed, at) })).toBe("ciphertext-refused");
      }
      expect(await decrypt({ sealed: payload.sealed.subarray(1) })).toBe("ciphertext-refused");
      expect(await decrypt({ sealed: new Uint8Array(15) })).toBe("ciphertext-refused");
      for (const at of payload.nonce.keys()) {
        expect(await decrypt({ nonce: flipped(payload.nonce, at) })).toBe("ciphertext-refused");
      }
      expect(await decrypt({ nonce: payload.nonce.subarray(1) })).toBe("ciphertext-refused");
      for (const suite of [0, 1, 2, 3, 99].filter((other) => other !== payload.suite)) {
        const nonceBytes = isPayloadSuite(suite) ? PAYLOAD_SUITES[suite].nonceBytes : 16;
        const nonce = Buffer.alloc(nonceBytes, payload.nonce);
        expect(await decrypt({ suite, nonce })).toBe("ciphertext-refused");
      }
      expect(await decrypt({}, material, Buffer.from("another aad"))).toBe("ciphertext-refused");
      using other = await unit.materials.open(kek, await unit.materials.generate(kek));
      expect(await decrypt({}, other)).toBe("ciphertext-refused");
    });

    test("opens key material under its own KEK only, unchanged", async () => {
      const { unit, kek, wrapped } = await withMaterial();
      const vp = present((await reading(unit)).CURRENT.vp);
      using other = await unit.keks.open(await newKek(unit, vp));
      expect(await refusal(unit.materials.open(other, wrapped))).toBe("record-not-vouched");
      expect(await refusal(unit.materials.open(kek, wrapped.subarray(8)))).toBe("record-not-vouched");
      for (const at of wrapped.keys()) {
        expect(await refusal(unit.materials.open(kek, flipped(wrapped, at)))).toBe("record-not-vouched");
      }
    });

    test("makes the same MAC of the same data, 32 bytes, and another under other material", async () => {
      const { unit, kek, wrapped, material } = await withMaterial();
      const data = Buffer.from("data");
      const mac = await unit.materials.mac(material, data);
      expect(mac.byteLength).toBe(32);
      using reopened = await unit.materials.open(kek, wrapped);
      expect(await unit.materials.mac(reopened, data)).toEqual(mac);
      using other = await unit.materials.open(kek, await unit.materials.generate(kek));
      expect(await unit.materials.mac(other, data)).not.toEqual(mac);
    });

    test("gives random bytes", async () => {
      const { unit } = await withMaterial();
      using a = await unit.materials.random(32);
      using b = await unit.materials.random(32);
      expect(Buffer.compare(reveal(a), reveal(b))).not.toBe(0);
      expect(reveal(a).byteLength).toBe(32);
      for (const lengthBytes of [0, 0.5, 65_537])
        expect(await refusal(unit.materials.random(lengthBytes))).toBe("invalid-request");
    });

    test("refuses a handle that was disposed", async () => {
      const { unit, kek, wrapped, material } = await withMaterial();
      material[Symbol.dispose]();
      expect(await refusal(unit.materials.encrypt(material, aad, aad))).toBe("internal");
      expect(await refusal(unit.materials.mac(material, aad))).toBe("internal");
      kek[Symbol.dispose]();
      expect(await refusal(unit.materials.generate(kek))).toBe("internal");
      expect(await refusal(unit.materials.open(kek, wrapped))).toBe("internal");
    });

    test("refuses a handle of another unit", async () => {
      const [one, other] = await units(2);
      const [a, b] = [present(one), present(other)];
      using kek = await a.keks.open(await newKek(a, await prepareCurrent(a)));
      using material = await a.materials.open(kek, await a.materials.generate(kek));
      expect(await refusal(b.materials.generate(kek))).toBe("internal");
      expect(await refusal(b.materials.encrypt(material, aad, aad))).toBe("internal");
    });

    test("handles are dead after the unit was closed", async () => {
      const { unit, kek, material } = await withMaterial();
      await unit.close();
      await unit.close();
      expect(await refusal(unit.materials.encrypt(material, aad, aad))).toBe("unit-unreachable");
      expect(await refusal(unit.materials.generate(kek))).toBe("unit-unreachable");
      expect(await refusal(unit.registers.read())).toBe("unit-unreachable");
    });
  });
}
