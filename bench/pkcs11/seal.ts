import { uuid } from "../../packages/server/src/core/crypto/random.ts";
import type { KekId, ProjectId } from "../../packages/server/src/core/ids.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../../packages/server/src/core/ids.ts";
import type { CryptoUnit, MaterialHandle } from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { UnitPlace } from "../rewrap/unit-place.ts";

const MESSAGE = Buffer.alloc(64, 1);
const AAD = Buffer.alloc(100, 2);
/** So many that every host is the home of some. */
const KEYS = 16;
const IN_FLIGHT = 256;

/** Messages of 64 bytes a second, sealed through the unit hosts of a unit that has a CURRENT master key. */
export async function sealSmallMessages(place: UnitPlace, messages: number): Promise<number> {
  const unit = await place.open();
  try {
    const keys = await Promise.all(Array.from({ length: KEYS }, () => newMaterial(unit)));
    await seal(unit, keys, IN_FLIGHT * 4);
    const began = performance.now();
    await seal(unit, keys, messages);
    return (messages * 1000) / (performance.now() - began);
  } finally {
    await unit.close();
  }
}

export async function newMaterial(unit: CryptoUnit): Promise<MaterialHandle> {
  const [registers] = await unit.registers.read();
  const vp = registers?.CURRENT.vp;
  if (vp === undefined) throw new Error("the unit has no master key");
  const binding = {
    group: DEFAULT_GROUP,
    type: DEFAULT_TYPE,
    projectId: uuid() as ProjectId,
    kekId: uuid() as KekId,
  };
  const { kcv, wrapped } = await unit.keks.create(binding, [vp]);
  const [form] = wrapped;
  if (!form) throw new Error("the unit wrapped no KEK");
  const kek = await unit.keks.open({ ...binding, kcv, wrapped: form });
  return await unit.materials.open(kek, await unit.materials.generate(kek));
}

async function seal(unit: CryptoUnit, keys: readonly MaterialHandle[], messages: number): Promise<void> {
  let left = messages;
  const lane = async (key: MaterialHandle): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await unit.materials.encrypt(key, MESSAGE, AAD);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, (_, i) => lane(keys[i % KEYS] as MaterialHandle)));
}
