import type { Clock } from "../clock.ts";
import { isFailure } from "../errors.ts";
import type { AuditLog } from "../ports/audit-log.ts";
import type { CloneRequest, CryptoUnit, RegisterFace } from "../unit/crypto-unit.ts";
import type { RegisterCommand, RegisterReading } from "../unit/registers.ts";
import type { AuditDraft, Touched } from "./audit-draft.ts";
import { author, whoActs } from "./acting.ts";

interface RecordingPorts {
  readonly log: Pick<AuditLog, "append" | "appendLater">;
  readonly clock: Clock;
}

/**
 * A crypto unit whose register commands are recorded: the intent before the command is given, which is refused where
 * that cannot be written, and the outcome behind it. What a crash leaves is an intent without outcome: the registers
 * say what came of it.
 */
export function recordedUnit(unit: CryptoUnit, ports: RecordingPorts): CryptoUnit {
  const { registers, description } = unit;
  const { address } = description;
  const recorded: RegisterFace = {
    read: () => registers.read(),
    execute: (command) =>
      recording(ports, `register.${command.verb}`, { unit: address, ...namedBy(command) }, () =>
        registers.execute(command),
      ),
    pinPeer: (peer) =>
      recording(ports, "register.pin-peer", { unit: address, subject: peer.address }, () =>
        registers.pinPeer(peer),
      ),
    exportFor: (recipient, request) =>
      recording(ports, "register.export", { unit: address, subject: recipient, ...namedBy(request) }, () =>
        registers.exportFor(recipient, request),
      ),
    importFrom: (sender, request, wrapped) =>
      recording(ports, "register.import", { unit: address, subject: sender, ...namedBy(request) }, () =>
        registers.importFrom(sender, request, wrapped),
      ),
  };
  return {
    description,
    registers: recorded,
    keks: unit.keks,
    materials: unit.materials,
    signing: unit.signing,
    anchors: unit.anchors,
    close: () => unit.close(),
  };
}

function namedBy(command: RegisterCommand | CloneRequest): Touched {
  return {
    register: "register" in command ? command.register : undefined,
    vp: "vp" in command ? command.vp : undefined,
  };
}

async function recording<Result>(
  { log, clock }: RecordingPorts,
  event: string,
  touched: Touched,
  command: () => Promise<Result>,
): Promise<Result> {
  const draft = (outcome: AuditDraft["outcome"]): AuditDraft => {
    const by = author(event);
    return { ...by, ...touched, operation: event, atMs: clock.nowMs(), outcome };
  };
  await log.append(draft("intended"));
  const who = whoActs();
  if (who) who.recorded += 1;
  try {
    const result = await command();
    await settle(log, { ...draft("allowed"), vp: touched.vp ?? generated(event, result) });
    return result;
  } catch (error) {
    await settle(log, draft(isFailure(error) ? error.code : "internal"));
    throw error;
  }
}

/** The pattern of a master key that has just been made. */
function generated(event: string, result: unknown): string | undefined {
  return event === "register.generate" ? (result as RegisterReading).NEW.vp : undefined;
}

/** A command that was given is answered by what came of it: its outcome is recorded later where it cannot be now. */
async function settle(log: RecordingPorts["log"], draft: AuditDraft): Promise<void> {
  try {
    await log.append(draft);
  } catch (error) {
    if (!isFailure(error, "audit-unavailable")) throw error;
    log.appendLater(draft);
  }
}
