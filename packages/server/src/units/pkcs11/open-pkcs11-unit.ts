import { availableParallelism } from "node:os";
import { Failure, isFailure } from "../../core/errors.ts";
import { FieldWriter } from "../../core/fields.ts";
import type { GroupName, UnitAddress } from "../../core/ids.ts";
import { DEFAULT_TYPE } from "../../core/ids.ts";
import type { CryptoUnit, UnitAbilities } from "../../core/unit/crypto-unit.ts";
import { Asking } from "./asking.ts";
import type { DeadlinesMs } from "./host/host-call.ts";
import { UnitHosts } from "./host/unit-hosts.ts";
import { readPin } from "./pin-file.ts";
import { PinLatch } from "./pin-latch.ts";
import { pkcs11Unit } from "./pkcs11-unit.ts";
import { probeToken } from "./probe-token.ts";
import type { HostStart } from "./requests.ts";
import { OP } from "./requests.ts";
import type { TokenFacts } from "./token-facts.ts";
import type { TokenWithPin } from "./token-rules.ts";

export interface OpenPkcs11Unit {
  readonly address: UnitAddress;
  readonly group: GroupName;
  readonly location: TokenWithPin;
  /** The variables that the module sees. */
  readonly environment: Readonly<Record<string, string>>;
  /** A folder of this unit alone, there and for its owner only, for what must be remembered beside the token. */
  readonly stateFolder: string;
  /** Whether new master keys may be copied to other units of the group; what exists stays as it was made. */
  readonly isClonable: boolean;
  /** How many processes load the module; without it as many as there are cores, which is right for a token in software. */
  readonly hosts?: number;
  readonly deadlinesMs?: DeadlinesMs;
  /** Takes a sentence for the log. */
  readonly onTrouble?: (text: string) => void;
}

/** How tokens are reached: both make a unit of one. */
export interface TokenOpener {
  /** Makes the token a unit of the group: it gets the unit's key, where it has none yet. */
  create(options: OpenPkcs11Unit): Promise<CryptoUnit>;
  /** @throws Failure `unit-missing` for a token that is no unit of the group. */
  open(options: OpenPkcs11Unit): Promise<CryptoUnit>;
}

const DEADLINES_MS: DeadlinesMs = { start: 30_000, quick: 5_000, batch: 20_000, generate: 60_000 };

/** @throws Failure `unit-pin-wrong`, `unit-lacks-ability` for a token that cannot be a unit, `unit-unreachable`. */
export const createPkcs11Unit: TokenOpener["create"] = (options) => attach(options, OP.createUnitKey);

/** As `createPkcs11Unit`; Failure `unit-missing`, `unit-token-damaged`. */
export const openPkcs11Unit: TokenOpener["open"] = (options) => attach(options, OP.unitKey);

async function attach(options: OpenPkcs11Unit, keyOperation: number): Promise<CryptoUnit> {
  const latch = new PinLatch(options.stateFolder);
  latch.assertOpen();
  try {
    const facts = await probeToken(options.location, options.environment);
    const { kwp, unfit } = facts;
    if (kwp === undefined || unfit.length > 0)
      throw new Failure("unit-lacks-ability", `the token cannot be a crypto unit: ${unfit.join(" ")}`);
    const hosts = await startHosts(options, latch, kwp);
    const key = await new Asking(hosts)
      .ask(keyOperation, { deadline: "generate", isRepeatable: true }, () => undefined, "registers")
      .catch(async (error: unknown) => {
        await hosts.close();
        throw error;
      });
    const { address, group, isClonable } = options;
    const { label, serial } = facts.identity;
    return pkcs11Unit({
      hosts,
      address,
      group,
      type: DEFAULT_TYPE,
      publicKey: Uint8Array.from(key.bytes()),
      abilities: abilitiesOf(facts),
      token: { label, serial, isClonable },
    });
  } catch (error) {
    if (isFailure(error, "unit-pin-wrong")) latch.close();
    throw error;
  }
}

function startHosts(options: OpenPkcs11Unit, latch: PinLatch, kwp: number): Promise<UnitHosts> {
  const { location, stateFolder, group, isClonable, environment, onTrouble } = options;
  const { modulePath, libraryParameters, token: label, serial, slotId } = location;
  const start: HostStart = {
    module: { path: modulePath, libraryParameters },
    token: { label, serial, slot: slotId },
    stateFolder,
    group,
    type: DEFAULT_TYPE,
    isClonable,
    kwp,
  };
  return UnitHosts.open({
    entry: new URL(import.meta.url.endsWith(".ts") ? "./unit-host.ts" : "./unit-host.js", import.meta.url),
    hosts: options.hosts ?? availableParallelism(),
    environment,
    deadlinesMs: options.deadlinesMs ?? DEADLINES_MS,
    start: () => startPayload(start, location.pinFile),
    onRefused: () => latch.close(),
    ...(onTrouble && { onTrouble }),
  });
}

/** What is wiped by whoever sends it. */
function startPayload(start: HostStart, pinFile: string): Uint8Array {
  const pin = readPin(pinFile);
  const payload = new FieldWriter();
  payload.text(JSON.stringify(start));
  payload.bytes(pin);
  pin.fill(0);
  return payload.finish();
}

function abilitiesOf({ abilities }: TokenFacts): UnitAbilities {
  return {
    masterKeyTypes: [DEFAULT_TYPE],
    recallOld: abilities.recallOld,
    cloneForms: abilities.cloneWith.map((hash) => `2-${hash}` as const),
    payloadSuite: 3,
    signingSpecs: abilities.signing,
    importAlgorithms: abilities.imports,
    keepsAnchors: false,
  };
}
