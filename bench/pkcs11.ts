import { parseArgs } from "node:util";
import { KWP } from "../test/pkcs11/token-user.ts";
import type { TokenSoftwareName } from "../test/pkcs11/token-software.ts";
import { nssToken, softHsmToken } from "../test/pkcs11/tokens.ts";
import { pkcs11Floor } from "./pkcs11/floor.ts";
import { sealSmallMessages } from "./pkcs11/seal.ts";
import { slowTokenDelay } from "./pkcs11/slow-token.ts";
import { tokenUnitPlace } from "./pkcs11/token-unit-place.ts";
import { makeTemplate, reencipherCopy } from "./rewrap/candidate.ts";
import { sqlitePlace } from "./rewrap/place-sqlite.ts";

/**
 * PKCS#11 units against a loop in C that does the same inside the same token, in turn (pkcs11/floor.c):
 * - KEKs re-enciphered through unit and store as the daemon does it, durable, by as many unit hosts as there are cores;
 * - messages of 64 bytes sealed through the unit hosts, each with a key that the token derives for it;
 * - how long the event loop is held up while every call of the token takes 10 ms.
 *
 *   npm run bench:pkcs11 -- --tokens softhsm2,nss --keks 80000 --messages 100000 --rounds 3 --json
 */
const { values } = parseArgs({
  options: {
    tokens: { type: "string", default: "softhsm2,nss" },
    keks: { type: "string", default: "80000" },
    messages: { type: "string", default: "100000" },
    rounds: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
  },
});

interface Result {
  readonly name: string;
  /** Medians of the rounds. */
  readonly figure: number;
  readonly floor: number;
  readonly ratio: number;
  readonly unit: string;
}

const TOKENS = { softhsm2: softHsmToken, nss: nssToken } as const satisfies Record<
  TokenSoftwareName,
  unknown
>;

async function measure(software: TokenSoftwareName): Promise<Result[]> {
  const [keks, messages, rounds] = [Number(values.keks), Number(values.messages), Number(values.rounds)];
  using token = TOKENS[software]();
  using unitPlace = tokenUnitPlace(token);
  await using place = await sqlitePlace();
  note(`${software}: filling a database with ${keks} KEKs …`);
  const template = await makeTemplate(place, unitPlace, keks);
  const rewraps: number[][] = [];
  const seals: number[][] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const floor = await pkcs11Floor(token, {
      wrapMechanism: KWP[software],
      rows: keks,
      operations: messages,
    });
    const { rowsPerSecond } = await reencipherCopy(template);
    const sealed = await sealSmallMessages(unitPlace, messages);
    rewraps.push([rowsPerSecond, floor.rewrap.perSecond]);
    seals.push([sealed, floor.derivedGcm.perSecond]);
    note(
      `${software}, round ${round}: ${whole(rowsPerSecond)} KEKs/s (C ${whole(floor.rewrap.perSecond)}), ` +
        `${whole(sealed)} messages/s (C ${whole(floor.derivedGcm.perSecond)}; GCM without a key for each message: C ${whole(floor.gcm.perSecond)})`,
    );
  }
  return [
    resultOf(`${software} re-encipher`, "KEKs/s", rewraps),
    resultOf(`${software} AES-GCM of 64 bytes`, "messages/s", seals),
  ];
}

function resultOf(name: string, unit: string, rounds: readonly (readonly number[])[]): Result {
  const [figure, floor, ratio] = [
    median(rounds.map(([mine = 0]) => mine)),
    median(rounds.map(([, other = 0]) => other)),
    median(rounds.map(([mine = 0, other = 0]) => mine / other)),
  ];
  return { name, figure: whole(figure), floor: whole(floor), ratio: Math.round(ratio * 100) / 100, unit };
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

const whole = Math.round;

function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

function isToken(name: string): name is TokenSoftwareName {
  return Object.hasOwn(TOKENS, name);
}

const results: Result[] = [];
for (const name of values.tokens.split(",")) {
  if (!isToken(name)) throw new Error(`--tokens names ${Object.keys(TOKENS).join(" or ")}, not ${name}`);
  results.push(...(await measure(name)));
}
const eventLoopDelayMaxMs = await slowTokenDelay();
if (values.json) console.log(JSON.stringify({ ...results[0], eventLoopDelayMaxMs, results }));
else {
  for (const { name, figure, floor, ratio, unit } of results)
    console.log(`${name}: ${figure} ${unit}, ${ratio} of the loop in C (${floor})`);
  console.log(`event-loop delay while a call of the token takes 10 ms: at most ${eventLoopDelayMaxMs} ms`);
}
