import type { KekId, KeyId, UnitAddress } from "../ids.ts";
import type { OpenKekPorts, OpenedKek } from "../unit/open-kek.ts";
import { openKek } from "../unit/open-kek.ts";
import type { CryptoUnit, MaterialHandle } from "../unit/crypto-unit.ts";
import { BoundedCache } from "./bounded-cache.ts";
import type { KeyVersionRecord } from "./records.ts";

const KEK_LIMIT = 20_000;
const MATERIAL_LIMIT = 50_000;

/** Key material, open on a unit. */
export interface OpenedMaterial {
  readonly unit: CryptoUnit;
  readonly handle: MaterialHandle;
}

/** Opened KEKs and key material: bounded, opened once for concurrent misses, dropped when a unit stops serving. */
export class OpenedMaterials {
  readonly #ports: OpenKekPorts;
  readonly #keks = new BoundedCache<OpenedKek>(KEK_LIMIT, ({ handle }) => handle[Symbol.dispose]());
  readonly #materials = new BoundedCache<OpenedMaterial>(MATERIAL_LIMIT, ({ handle }) =>
    handle[Symbol.dispose](),
  );

  constructor(ports: OpenKekPorts) {
    this.#ports = ports;
  }

  /** Runs `use` with the KEK, open on some serving unit. */
  withKek<Result>(kekId: KekId, use: (kek: OpenedKek) => Promise<Result>): Promise<Result> {
    return this.#keks.use(kekId, () => openKek(this.#ports, kekId), use);
  }

  /** Runs `use` with the material of a key version. The caller has checked that the record is vouched for. */
  withMaterial<Result>(
    version: KeyVersionRecord,
    use: (material: OpenedMaterial) => Promise<Result>,
  ): Promise<Result> {
    const load = () =>
      this.withKek(version.kekId, async ({ unit, handle }) => ({
        unit,
        handle: await unit.materials.open(handle, version.wrapped),
      }));
    return this.#materials.use(`${version.keyId}/${version.version}`, load, use);
  }

  dropKey(keyId: KeyId): void {
    this.#materials.drop((key) => key.startsWith(`${keyId}/`));
  }

  /** Forgets every handle of a unit that no longer serves. */
  dropUnit(address: UnitAddress): void {
    this.#materials.drop((_, { handle }) => handle.unit === address);
    this.#keks.drop((_, { handle }) => handle.unit === address);
  }
}
