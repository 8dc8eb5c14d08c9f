import type { KeyId, UnitAddress } from "../ids.ts";
import { isFailure } from "../errors.ts";
import type { OpenKekPorts, OpenedKek, OwnedKek } from "../unit/open-kek.ts";
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
  withKek<Result>(owned: OwnedKek, use: (kek: OpenedKek) => Promise<Result>): Promise<Result> {
    const { kekId, projectId } = owned;
    return this.#keks.use(`${projectId}/${kekId}`, () => openKek(this.#ports, { kekId, projectId }), use);
  }

  /** Runs `use` with the material of a key version. The caller has checked that the record is vouched for. */
  withMaterial<Result>(
    version: KeyVersionRecord,
    use: (material: OpenedMaterial) => Promise<Result>,
  ): Promise<Result> {
    const load = () =>
      this.withKek(version, async ({ unit, handle }) => ({
        unit,
        handle: await unit.materials.open(handle, version.wrapped),
      }));
    return this.#materials.use(`${version.keyId}/${version.version}`, load, this.#forgettingLostUnits(use));
  }

  /** Handles of a unit that gave no answer are forgotten, so that a retry opens on another one. */
  #forgettingLostUnits<Opened extends OpenedKek | OpenedMaterial, Result>(
    use: (opened: Opened) => Promise<Result>,
  ): (opened: Opened) => Promise<Result> {
    return async (opened) => {
      try {
        return await use(opened);
      } catch (error) {
        if (isFailure(error, "unit-unreachable")) this.dropUnit(opened.handle.unit);
        throw error;
      }
    };
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
