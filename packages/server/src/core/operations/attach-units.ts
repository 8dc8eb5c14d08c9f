import { Failure, isFailure } from "../errors.ts";
import type { Alarms } from "../ports/alarms.ts";
import type { UnitRecord, UnitStore } from "../ports/store.ts";
import type { UnitFolder } from "../ports/unit-folder.ts";
import type { AttachedUnits } from "../unit/attached-units.ts";
import type { CryptoUnit } from "../unit/crypto-unit.ts";

/**
 * Opens every unit that the database knows. One that does not open raises an alarm and is tried again later, as long as
 * another one opens. What opens must be the unit that was added.
 * @throws the Failure of the first unit when none opens.
 */
export async function attachUnits(ports: {
  readonly store: Pick<UnitStore, "listUnits">;
  readonly units: AttachedUnits;
  readonly folder: Pick<UnitFolder, "open">;
  readonly alarms: Alarms;
}): Promise<void> {
  const attached = new Set(ports.units.all().map(({ record }) => record.address));
  const failures: Failure[] = [];
  const tell = (record: UnitRecord, failure: Failure): void => {
    failures.push(failure);
    ports.alarms.raise("unit-differs", `unit ${record.address}: ${failure.message}`);
  };
  for (const record of await ports.store.listUnits({})) {
    if (attached.has(record.address) || record.state === "leaving") continue;
    try {
      const { refused } = await ports.units.attach(record, await openKnown(ports.folder, record));
      if (refused) tell(record, refused);
    } catch (error) {
      if (!isFailure(error)) throw error;
      tell(record, error);
      ports.units.attachLater(record, () => openKnown(ports.folder, record));
    }
  }
  const [failure] = failures;
  if (failure && failures.length === ports.units.all().length) throw failure;
}

/** @throws Failure `unit-missing` where another unit stands in its place, though it may hold the same master keys. */
async function openKnown(
  folder: Pick<UnitFolder, "open">,
  { address, publicKey }: UnitRecord,
): Promise<CryptoUnit> {
  const unit = await folder.open(address);
  if (Buffer.compare(unit.description.publicKey, publicKey) === 0) return unit;
  await unit.close();
  throw new Failure(
    "unit-missing",
    `another unit stands in the place of ${address}: its public key is not the one that was added`,
  );
}
