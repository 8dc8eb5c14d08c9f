import { generateMasterKeyPair } from "../../core/crypto/master-key-pair.ts";
import type { MasterKeyPair } from "../../core/crypto/master-key-pair.ts";
import { verificationPattern } from "../../core/crypto/verification-pattern.ts";
import { Failure } from "../../core/errors.ts";
import type { MasterKeyType, UnitAddress } from "../../core/ids.ts";
import { shownVp } from "../../core/ids.ts";
import type { CloneRequest, PeerKey, RegisterFace } from "../../core/unit/crypto-unit.ts";
import { applyCommand, importInto, readRegisters } from "../../core/unit/registers.ts";
import type { Filled, RegisterCommand, RegisterReading } from "../../core/unit/registers.ts";
import type { HandleOwner } from "./handles.ts";
import { readPublicKey, unwrapFromPeer, wrapForPeer } from "./master-key-clone.ts";
import { SerialQueue } from "../../core/serial-queue.ts";
import type { UnitFile } from "./unit-file.ts";
import type { UnitState } from "./unit-state.ts";

/**
 * Registers of a software unit. Commands run one after the other. Each looks at the file first, computes the next
 * state, and serves it only when it is durable.
 */
export class SoftwareRegisters implements RegisterFace {
  readonly #file: UnitFile;
  readonly #owner: HandleOwner;
  readonly #queue = new SerialQueue();

  constructor(file: UnitFile, owner: HandleOwner) {
    this.#file = file;
    this.#owner = owner;
  }

  read(): Promise<readonly RegisterReading[]> {
    return this.#inTurn(async (state) => [readRegisters(state.registers)]);
  }

  execute(command: RegisterCommand): Promise<RegisterReading> {
    return this.#inTurn(async (state) => {
      assertType(state, command.type);
      const registers = applyCommand(state.registers, command, () => generate(command.type));
      return this.#replace({ ...state, registers });
    });
  }

  pinPeer(peer: PeerKey): Promise<void> {
    return this.#inTurn(async (state) => {
      if (peer.address === state.address) {
        throw new Failure("invalid-request", "a unit is not its own peer", { field: "address" });
      }
      readPublicKey(peer.publicKey);
      const pinned = state.peers.get(peer.address);
      if (pinned && Buffer.compare(pinned, peer.publicKey) === 0) return;
      await this.#replace({
        ...state,
        peers: new Map(state.peers).set(peer.address, Uint8Array.from(peer.publicKey)),
      });
    });
  }

  exportFor(recipient: UnitAddress, request: CloneRequest): Promise<Uint8Array> {
    return this.#inTurn(async (state) => {
      assertType(state, request.type);
      const publicKey = state.peers.get(recipient);
      if (!publicKey) throw new Failure("unit-peer-not-pinned", `no public key is pinned for ${recipient}`);
      const held = state.registers[request.register];
      if (!held) throw new Failure("register-state", `${request.register} is empty`);
      if (held.vp !== request.vp) {
        throw new Failure("register-pattern-mismatch", `${request.register} holds ${shownVp(held.vp)}`);
      }
      return wrapForPeer(held.pair, publicKey, { sender: state.address, recipient, request });
    });
  }

  importFrom(sender: UnitAddress, request: CloneRequest, wrapped: Uint8Array): Promise<RegisterReading> {
    return this.#inTurn(async (state) => {
      assertType(state, request.type);
      const fresh = unwrapFromPeer(wrapped, state.clonePrivateKey, {
        sender,
        recipient: state.address,
        request,
      });
      const registers = importInto(state.registers, request.register, fresh);
      if (registers === state.registers) return readRegisters(registers);
      return this.#replace({ ...state, registers });
    });
  }

  /** Whether the unit has kept anchors, as its file says now. */
  isAnchored(): Promise<boolean> {
    return this.#inTurn(async ({ anchored }) => anchored);
  }

  /** Notes durably that the unit has kept anchors, from when on they must be there. */
  noteAnchored(): Promise<void> {
    return this.#inTurn(async (state) => {
      if (!state.anchored) await this.#replace({ ...state, anchored: true });
    });
  }

  /** Waits until the command at work is done; those behind it are refused, because the owner is closed by then. */
  async close(): Promise<void> {
    await this.#queue.run(() => Promise.resolve());
  }

  #inTurn<Result>(job: (state: UnitState) => Promise<Result>): Promise<Result> {
    return this.#queue.run(async () => {
      this.#owner.assertOpen();
      return job(await this.#file.refresh());
    });
  }

  async #replace(next: UnitState): Promise<RegisterReading> {
    await this.#file.replace(next);
    return readRegisters(next.registers);
  }
}

function generate(type: MasterKeyType): Filled<MasterKeyPair> {
  const pair = generateMasterKeyPair();
  return { vp: verificationPattern(type, pair), pair };
}

function assertType(state: UnitState, type: MasterKeyType): void {
  if (type !== state.registers.type) {
    throw new Failure("unit-lacks-ability", `the unit has master keys of type ${state.registers.type} only`);
  }
}
