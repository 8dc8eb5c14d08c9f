import type { CloneRoute } from "../../core/crypto/master-key-clone.ts";
import { Failure } from "../../core/errors.ts";
import type { FieldWriter } from "../../core/fields.ts";
import type { MasterKeyType, UnitAddress } from "../../core/ids.ts";
import { SerialQueue } from "../../core/serial-queue.ts";
import type { CloneForm, CloneRequest, PeerKey, RegisterFace } from "../../core/unit/crypto-unit.ts";
import type { RegisterCommand, RegisterReading } from "../../core/unit/registers.ts";
import type { Asking } from "./asking.ts";
import { QUICK } from "./asking.ts";
import type { HandleOwner } from "./handles.ts";
import type { UnitHosts } from "./host/unit-hosts.ts";
import { OP } from "./requests.ts";

/** One host does what is done with registers, one command after the other. */
const HOME = "registers";

const ONCE = { deadline: "generate", isRepeatable: false } as const;

export interface RegisterFaceOptions {
  readonly type: MasterKeyType;
  readonly cloneForms: readonly CloneForm[];
}

/** Registers of a PKCS#11 unit. When they have changed, every host forgets what it knows of them before anybody is told. */
export class TokenRegisterFace implements RegisterFace {
  readonly #asking: Asking;
  readonly #hosts: UnitHosts;
  readonly #owner: HandleOwner;
  readonly #type: MasterKeyType;
  readonly #cloneForms: readonly CloneForm[];
  readonly #queue = new SerialQueue();
  /** As last read, in JSON. */
  #known = "";

  constructor(asking: Asking, hosts: UnitHosts, owner: HandleOwner, options: RegisterFaceOptions) {
    this.#asking = asking;
    this.#hosts = hosts;
    this.#owner = owner;
    this.#type = options.type;
    this.#cloneForms = options.cloneForms;
  }

  read(): Promise<readonly RegisterReading[]> {
    return this.#inTurn(async () => {
      const reply = await this.#asking.ask(OP.readRegisters, QUICK, () => undefined, HOME);
      return [await this.#noted(reply.text())];
    });
  }

  execute(command: RegisterCommand): Promise<RegisterReading> {
    return this.#inTurn(async () => {
      this.#assertType(command.type);
      return await this.#changing(OP.execute, (asked) => asked.text(JSON.stringify(command)));
    });
  }

  pinPeer({ address, publicKey }: PeerKey): Promise<void> {
    return this.#inTurn(async () => {
      if (address === this.#owner.unit)
        throw new Failure("invalid-request", "a unit is not its own peer", { field: "address" });
      this.#assertClones();
      await this.#asking.ask(
        OP.pinPeer,
        QUICK,
        (asked) => {
          asked.text(address);
          asked.bytes(publicKey);
        },
        HOME,
      );
    });
  }

  exportFor(recipient: UnitAddress, request: CloneRequest): Promise<Uint8Array> {
    return this.#inTurn(async () => {
      this.#assertType(request.type);
      this.#assertClones(request.form);
      const route: CloneRoute = { sender: this.#owner.unit, recipient, request };
      const reply = await this.#asking.ask(
        OP.exportMasterKey,
        QUICK,
        (asked) => asked.text(JSON.stringify(route)),
        HOME,
      );
      return reply.bytes();
    });
  }

  importFrom(sender: UnitAddress, request: CloneRequest, wrapped: Uint8Array): Promise<RegisterReading> {
    return this.#inTurn(async () => {
      this.#assertType(request.type);
      this.#assertClones(request.form);
      const route: CloneRoute = { sender, recipient: this.#owner.unit, request };
      return await this.#changing(OP.importMasterKey, (asked) => {
        asked.text(JSON.stringify(route));
        asked.bytes(wrapped);
      });
    });
  }

  /** Waits until the command at work is done. */
  async close(): Promise<void> {
    await this.#queue.run(() => Promise.resolve());
  }

  /** Somebody else may have changed them: with the token's own tools, or by a daemon before this one. */
  async #noted(text: string): Promise<RegisterReading> {
    if (this.#known !== "" && this.#known !== text)
      await this.#hosts.tellAll(OP.forgetRegisters, new Uint8Array(0));
    this.#known = text;
    return JSON.parse(text) as RegisterReading;
  }

  #inTurn<Result>(job: () => Promise<Result>): Promise<Result> {
    return this.#queue.run(async () => {
      if (!this.#owner.isOpen) throw new Failure("unit-unreachable", "the unit is closed");
      return await job();
    });
  }

  /** Is not repeated by itself: whoever gave the command reads the registers to see whether it was done. */
  async #changing(op: number, fields: (asked: FieldWriter) => void): Promise<RegisterReading> {
    try {
      const reply = await this.#asking.ask(op, ONCE, fields, HOME);
      return JSON.parse(reply.text()) as RegisterReading;
    } finally {
      this.#known = "";
      await this.#hosts.tellAll(OP.forgetRegisters, new Uint8Array(0));
    }
  }

  #assertType(type: MasterKeyType): void {
    if (type !== this.#type)
      throw new Failure("unit-lacks-ability", `the unit has master keys of type ${this.#type} only`);
  }

  #assertClones(form = this.#cloneForms[0]): void {
    if (!form || !this.#cloneForms.includes(form))
      throw new Failure(
        "unit-lacks-ability",
        "master keys of this unit cannot be copied to or from another one, or not in this form",
      );
  }
}
