import type { KeyId, UnitAddress } from "../ids.ts";
import { isFailure } from "../errors.ts";
import type { OpenKekPorts, OpenedKek, OwnedKek } from "../unit/open-kek.ts";
import { openKek } from "../unit/open-kek.ts";
import type { SigningSpec } from "../crypto/signature-algorithms.ts";
import type { CryptoUnit, MaterialHandle, SigningHandle } from "../unit/crypto-unit.ts";
import { BoundedCache } from "./bounded-cache.ts";
import type { KeyVersionRecord } from "./records.ts";

const KEK_LIMIT = 20_000;
const MATERIAL_LIMIT = 50_000;
const SIGNING_LIMIT = 10_000;

/** Key material, open on a unit. */
export interface OpenedMaterial {
  readonly unit: CryptoUnit;
  readonly handle: MaterialHandle;
}

/** A private key, open on a unit. */
export interface OpenedSigningKey {
  readonly unit: CryptoUnit;
  readonly handle: SigningHandle;
}

/** Opened KEKs, key material and signing keys: bounded, opened once for concurrent misses, dropped when a unit stops serving. */
export class OpenedMaterials {
  readonly #ports: OpenKekPorts;
  readonly #keks = new BoundedCache<OpenedKek>(KEK_LIMIT, ({ handle }) => handle[Symbol.dispose]());
  readonly #materials = new BoundedCache<OpenedMaterial>(MATERIAL_LIMIT, ({ handle }) =>
    handle[Symbol.dispose](),
  );

  readonly #signingKeys = new BoundedCache<OpenedSigningKey>(SIGNING_LIMIT, ({ handle }) =>
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

  /** As `withMaterial`, with the private key of a version of a key that signs. */
  withSigningKey<Result>(
    version: KeyVersionRecord,
    spec: SigningSpec,
    use: (key: OpenedSigningKey) => Promise<Result>,
  ): Promise<Result> {
    const load = () =>
      this.withKek(version, async ({ unit, handle }) => ({
        unit,
        handle: await unit.signing.open(handle, spec, version.wrapped),
      }));
    const id = `${version.keyId}/${version.version}`;
    return this.#signingKeys.use(id, load, this.#forgettingLostUnits(use));
  }

  /** Handles of a unit that gave no answer are forgotten, so that a retry opens on another one. */
  #forgettingLostUnits<Opened extends OpenedKek | OpenedMaterial | OpenedSigningKey, Result>(
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
    for (const opened of [this.#materials, this.#signingKeys])
      opened.drop((key) => key.startsWith(`${keyId}/`));
  }

  /** Forgets every handle of a unit that no longer serves. */
  dropUnit(address: UnitAddress): void {
    this.#materials.drop((_, { handle }) => handle.unit === address);
    this.#signingKeys.drop((_, { handle }) => handle.unit === address);
    this.#keks.drop((_, { handle }) => handle.unit === address);
  }
}
