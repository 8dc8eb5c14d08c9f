import { join } from "node:path";
import { DEFAULT_TYPE } from "../../packages/server/src/core/ids.ts";
import type { UnitAddress, Vp } from "../../packages/server/src/core/ids.ts";
import type { MaterialHandle, SealedPayload } from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { CryptoUnit, KekHandle, KekToOpen } from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { OpenPkcs11Unit } from "../../packages/server/src/units/pkcs11/open-pkcs11-unit.ts";
import { createPkcs11Unit, openPkcs11Unit } from "../../packages/server/src/units/pkcs11/open-pkcs11-unit.ts";
import { reveal } from "../../packages/server/src/core/secret/secret-bytes.ts";
import {
  newBinding,
  newKek,
  prepareCurrent,
  prepareNew,
  present,
} from "../contracts/crypto-unit-contract.ts";
import { unitOn } from "../contracts/pkcs11-units.ts";
import type { Shim } from "./shim.ts";
import { shimFor } from "./shim.ts";
import type { TestToken } from "./tokens.ts";
import { copyToken, softHsmToken } from "./tokens.ts";

const ADDRESS = "01.0000" as UnitAddress;
const AAD = Buffer.from("aad");
const TEXT = Buffer.from("a message that must come back");

/** Short, so that what hangs is seen soon. */
export const DEADLINES_MS = { start: 15_000, quick: 500, batch: 1_000, generate: 10_000 };

/** Made once, because an RSA key takes its time. */
let blank: Promise<TestToken> | undefined;

async function makeBlank(): Promise<TestToken> {
  const token = softHsmToken();
  await (await createPkcs11Unit(unitOn(token, ADDRESS, { hosts: 1 }))).close();
  return token;
}

/** A SoftHSM token with a shim before it, and how a unit is made of it. */
export class ShimmedToken implements Disposable {
  readonly token: TestToken;
  readonly shim: Shim;
  /** What the unit has said for the log. */
  readonly said: string[] = [];

  private constructor(token: TestToken) {
    this.token = token;
    this.shim = shimFor(token);
  }

  /** One that is a unit without master keys. */
  static async make(): Promise<ShimmedToken> {
    return new ShimmedToken(copyToken(await (blank ??= makeBlank())));
  }

  /** How the unit is opened through the shim. */
  options(more: Partial<OpenPkcs11Unit> = {}): OpenPkcs11Unit {
    const { shim, token } = this;
    const through = { ...token, module: shim.module, environment: shim.environment };
    const onTrouble = (text: string) => void this.said.push(text);
    return unitOn(through, ADDRESS, { deadlinesMs: DEADLINES_MS, onTrouble, ...more });
  }

  open(more: Partial<OpenPkcs11Unit> = {}): Promise<CryptoUnit> {
    return openPkcs11Unit(this.options(more));
  }

  /** The file that remembers a refused PIN. */
  get latch(): string {
    return join(this.options().stateFolder, "pin-refused");
  }

  [Symbol.dispose](): void {
    this.shim[Symbol.dispose]();
    this.token[Symbol.dispose]();
  }
}

/** A unit with two master keys, and what was opened on it while all was well. */
export class UnitAtWork {
  readonly unit: CryptoUnit;
  readonly from: Vp;
  readonly to: Vp;
  readonly keks: readonly KekToOpen[];
  readonly #kek: KekHandle;
  readonly #wrapped: Uint8Array;
  readonly #material: MaterialHandle;
  readonly #sealed: SealedPayload;

  private constructor(
    unit: CryptoUnit,
    vps: { readonly from: Vp; readonly to: Vp },
    keks: readonly KekToOpen[],
    opened: {
      readonly kek: KekHandle;
      readonly wrapped: Uint8Array;
      readonly material: MaterialHandle;
      readonly sealed: SealedPayload;
    },
  ) {
    this.unit = unit;
    this.from = vps.from;
    this.to = vps.to;
    this.keks = keks;
    this.#kek = opened.kek;
    this.#wrapped = opened.wrapped;
    this.#material = opened.material;
    this.#sealed = opened.sealed;
  }

  static async of(unit: CryptoUnit): Promise<UnitAtWork> {
    const from = await prepareCurrent(unit);
    const to = await prepareNew(unit);
    const keks: KekToOpen[] = [];
    for (let i = 0; i < 4; i += 1) keks.push(await newKek(unit, from, newBinding()));
    const kek = await unit.keks.open(present(keks[0]));
    const wrapped = await unit.materials.generate(kek);
    const material = await unit.materials.open(kek, wrapped);
    const sealed = await unit.materials.encrypt(material, TEXT, AAD);
    return new UnitAtWork(unit, { from, to }, keks, { kek, wrapped, material, sealed });
  }

  /** What a service asks of a unit, by name; each checks its answer. */
  readonly works: Readonly<Record<string, () => Promise<void>>> = {
    encrypt: async () => {
      const sealed = await this.unit.materials.encrypt(this.#material, TEXT, AAD);
      if (sealed.sealed.byteLength !== TEXT.byteLength + 16) throw new Error("a wrong ciphertext");
    },
    decrypt: async () => {
      using text = await this.unit.materials.decrypt(this.#material, this.#sealed, AAD);
      if (!TEXT.equals(reveal(text))) throw new Error("a wrong plaintext");
    },
    mac: async () => {
      const mac = await this.unit.materials.mac(this.#material, TEXT);
      this.#tag ??= mac;
      if (!Buffer.from(mac).equals(this.#tag)) throw new Error("a wrong tag");
    },
    openKek: async () => {
      (await this.unit.keks.open(present(this.keks[1])))[Symbol.dispose]();
    },
    openMaterial: async () => {
      (await this.unit.materials.open(this.#kek, this.#wrapped))[Symbol.dispose]();
    },
    generate: async () => {
      this.#generated.push(await this.unit.materials.generate(this.#kek));
    },
    create: async () => {
      this.#made.push(await newKek(this.unit, this.from, newBinding()));
    },
    reencipher: async () => {
      const rows = this.keks.map(({ wrapped, ...row }) => ({ ...row, blob: wrapped.blob }));
      const done = await this.unit.keks.reencipher({ ...newBinding(), rows }, this.from, this.to);
      for (const [i, row] of done.entries()) {
        if (!("blob" in row)) throw new Error(`a good row is refused: ${row.refused}`);
        this.#moved.push({ ...present(this.keks[i]), wrapped: { vp: this.to, blob: row.blob } });
      }
    },
    registers: async () => {
      const [reading] = await this.unit.registers.read();
      if (reading?.CURRENT.vp !== this.from || reading.NEW.vp !== this.to) throw new Error("wrong registers");
    },
  };
  #tag: Uint8Array | undefined;
  /** What came of the works. */
  readonly #generated: Uint8Array[] = [];
  readonly #made: KekToOpen[] = [];
  readonly #moved: KekToOpen[] = [];

  async round(): Promise<void> {
    for (const work of Object.values(this.works)) await work();
  }

  /** All works, four times at once, again and again. */
  async underLoad(ms: number): Promise<{ readonly failures: readonly unknown[]; readonly done: number }> {
    const until = performance.now() + ms;
    const failures: unknown[] = [];
    let done = 0;
    const lanes = Array.from({ length: 4 }, () => Object.values(this.works)).flat();
    await Promise.all(
      lanes.map(async (work) => {
        do {
          try {
            await work();
            done += 1;
          } catch (error) {
            failures.push(error);
          }
        } while (performance.now() < until);
      }),
    );
    return { failures, done };
  }

  /** That all that came of the works opens, while the token is well; it is forgotten then. */
  async prove(): Promise<void> {
    const { unit } = this;
    const open = async (keks: readonly KekToOpen[], vp: Vp) => {
      const rows = keks.map(({ wrapped, ...row }) => ({ ...row, blob: wrapped.blob }));
      const batch = { ...newBinding(), type: DEFAULT_TYPE, rows };
      const opened = await unit.keks.verify(batch, vp, ["NEW", "CURRENT"]);
      if (!opened.every((row) => row === "opened")) throw new Error("a blob that was returned does not open");
    };
    await open(this.#made.splice(0), this.from);
    await open(this.#moved.splice(0), this.to);
    for (const wrapped of this.#generated.splice(0))
      (await unit.materials.open(this.#kek, wrapped))[Symbol.dispose]();
  }
}
