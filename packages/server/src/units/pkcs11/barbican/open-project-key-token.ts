import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import type { HmacKeyType, HmacMechanism } from "../../../core/barbican/project-key.ts";
import type { ProjectKeyToken } from "../../../core/barbican/project-key-token.ts";
import { Failure, isFailure } from "../../../core/errors.ts";
import { FieldWriter } from "../../../core/fields.ts";
import { reveal, SecretBytes } from "../../../core/secret/secret-bytes.ts";
import type { DeadlinesMs } from "../host/host-call.ts";
import { UnitHosts } from "../host/unit-hosts.ts";
import type { TokenLocation } from "../token-uri.ts";
import { HostedProjectKeys } from "./hosted-project-keys.ts";
import type { ProjectKeyHostStart } from "./project-key-requests.ts";

/** Where the token of a Barbican is. Its file has labels of which the first counts that some token has (`token_labels`). */
export type ProjectKeyTokenLocation = Omit<TokenLocation, "pinFile"> & {
  readonly labels?: readonly string[];
};

export interface OpenProjectKeyToken {
  readonly location: ProjectKeyTokenLocation;
  /** Stays the caller's. */
  readonly pin: SecretBytes;
  readonly hmacKeyType: HmacKeyType;
  readonly hmacMechanism: HmacMechanism;
  /** How many processes load the module; without it as many as there are cores, which is right for a token in software. */
  readonly hosts?: number;
  /** The variables that the module sees. */
  readonly environment: Readonly<Record<string, string>>;
  readonly deadlinesMs?: DeadlinesMs;
  /** Takes a sentence for the log. */
  readonly onTrouble?: (text: string) => void;
}

const DEADLINES_MS: DeadlinesMs = { start: 30_000, quick: 10_000, batch: 60_000, generate: 60_000 };

/**
 * Keeps freed memory of a thread for its next objects (glibc): SoftHSM makes and drops some hundred of them for each key,
 * and is a tenth faster so. The variables that are given go before it.
 */
const ALLOCATOR = { GLIBC_TUNABLES: "glibc.malloc.tcache_count=2000:glibc.malloc.mxfast=160" };

/**
 * Opens the token. The PIN is tried once by all hosts together, at the start and whenever they log in again.
 * @throws Failure `barbican-pin-refused`; `barbican-config-unsuitable` for a module or token that is not there.
 */
export async function openProjectKeyToken(options: OpenProjectKeyToken): Promise<ProjectKeyToken> {
  const { hosts: count = availableParallelism(), environment, onTrouble } = options;
  const loginFolder = mkdtempSync(join(tmpdir(), "claviger-barbican-"));
  const pin = new SecretBytes(Uint8Array.from(reveal(options.pin)));
  const start = hostStart(options, loginFolder);
  let isPinRefused = false;
  let hosts: UnitHosts | undefined;
  const close = async (): Promise<void> => {
    await hosts?.close();
    pin[Symbol.dispose]();
    rmSync(loginFolder, { recursive: true, force: true });
  };
  try {
    const opened = await UnitHosts.open({
      entry: new URL(`project-key-host${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url),
      hosts: count,
      environment: { ...ALLOCATOR, ...environment },
      deadlinesMs: options.deadlinesMs ?? DEADLINES_MS,
      start: () => startPayload(start, pin),
      onRefused: () => {
        isPinRefused = true;
      },
      ...(onTrouble && { onTrouble }),
    });
    hosts = opened;
    return await HostedProjectKeys.over({
      count,
      call: async (op, deadline, payload) => {
        try {
          return await opened.call({ op, payload, deadline, isRepeatable: true });
        } catch (error) {
          throw isFailure(error) ? inBarbicansWords(error, isPinRefused) : error;
        }
      },
      tellAll: (op) => opened.tellAll(op, new Uint8Array(0)),
      close,
    });
  } catch (error) {
    await close();
    if (!isFailure(error, "unit-unreachable"))
      throw isFailure(error) ? inBarbicansWords(error, isPinRefused) : error;
    throw new Failure("barbican-config-unsuitable", `the token cannot be opened: ${error.message}`, {
      cause: error,
    });
  }
}

/** Hosts speak of crypto units. Those that are stopped because the PIN was refused give no answer. */
function inBarbicansWords(error: Failure, isPinRefused: boolean): Failure {
  const { code, message } = error;
  if (isPinRefused || code === "unit-pin-wrong")
    return new Failure("barbican-pin-refused", message, { cause: error });
  if (code === "unit-unreachable") return new Failure("barbican-token-failed", message, { cause: error });
  return error;
}

function hostStart(
  { location, hmacKeyType, hmacMechanism }: OpenProjectKeyToken,
  loginFolder: string,
): ProjectKeyHostStart {
  const { modulePath: path, libraryParameters, token: label, serial, slotId, manufacturer, model } = location;
  return {
    // As Barbican's os_locking_ok = False: a host calls from one thread. Locks are a twentieth of SoftHSM's time.
    module: { path, libraryParameters, isOfOneThread: true },
    token: { label, serial, slot: slotId, manufacturer, model, labels: location.labels },
    loginFolder,
    hmacKeyType,
    hmacMechanism,
  };
}

/** What is wiped by whoever sends it. */
function startPayload(start: ProjectKeyHostStart, pin: SecretBytes): Uint8Array {
  const payload = new FieldWriter();
  payload.text(JSON.stringify(start));
  payload.bytes(reveal(pin));
  return payload.finish();
}
