import { monitorEventLoopDelay } from "node:perf_hooks";
import type { UnitAddress } from "../../packages/server/src/core/ids.ts";
import { DEFAULT_TYPE } from "../../packages/server/src/core/ids.ts";
import { createPkcs11Unit, openPkcs11Unit } from "../../packages/server/src/units/pkcs11/open-pkcs11-unit.ts";
import { unitOn } from "../../test/contracts/pkcs11-units.ts";
import { shimFor } from "../../test/pkcs11/shim.ts";
import { softHsmToken } from "../../test/pkcs11/tokens.ts";
import { newMaterial } from "./seal.ts";

const CALL_US = 10_000;
const IN_FLIGHT = 64;
const SECONDS = 3;
const SAMPLE_MS = 1;

/** The longest that the event loop was held up, in milliseconds, while requests wait for a token whose calls take 10 ms. */
export async function slowTokenDelay(): Promise<number> {
  using token = softHsmToken();
  using shim = shimFor(token);
  const options = unitOn({ ...token, ...shim }, "01.0001" as UnitAddress);
  await (await createPkcs11Unit(options)).close();
  const unit = await openPkcs11Unit(options);
  try {
    const { NEW } = await unit.registers.execute({ verb: "generate", type: DEFAULT_TYPE });
    for (const verb of ["commit", "set-immediate"] as const)
      await unit.registers.execute({ verb, type: DEFAULT_TYPE, vp: NEW.vp ?? "" });
    const material = await newMaterial(unit);
    shim.set({ fn: "*", delayUs: CALL_US });
    const delay = monitorEventLoopDelay({ resolution: SAMPLE_MS });
    delay.enable();
    const until = performance.now() + SECONDS * 1000;
    const lane = async (): Promise<void> => {
      while (performance.now() < until)
        await unit.materials.encrypt(material, Buffer.alloc(64), Buffer.alloc(100));
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
    delay.disable();
    return Math.round((delay.max / 1e6 - SAMPLE_MS) * 10) / 10;
  } finally {
    shim.clear();
    await unit.close();
  }
}
