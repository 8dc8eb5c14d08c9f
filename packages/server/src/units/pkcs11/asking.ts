import { FieldReader, FieldWriter } from "../../core/fields.ts";
import type { KekToOpen } from "../../core/unit/crypto-unit.ts";
import { packRows } from "../../core/unit/packed-rows.ts";
import { Failure } from "../../core/errors.ts";
import { TokenKek, TokenMaterial, TokenSigningKey } from "./handles.ts";
import type { HostCall } from "./host/host-call.ts";
import { UnknownHandle } from "./host/outcomes.ts";
import type { UnitHosts } from "./host/unit-hosts.ts";
import { OP } from "./requests.ts";

/** A host that drops what it has just opened is too small for what it is asked; it is not asked for ever. */
const OPENINGS = 4;

export type Asked = Pick<HostCall, "deadline" | "isRepeatable"> & Partial<Pick<HostCall, "lane">>;
export const QUICK: Asked = { deadline: "quick", isRepeatable: true };
export const BATCH: Asked = { deadline: "batch", isRepeatable: true };
/** Makes a key: it may take long, and is done in a host of its own. */
export const GENERATE: Asked = { deadline: "generate", isRepeatable: true, lane: "generation" };

type OpenHandle = TokenKek | TokenMaterial | TokenSigningKey;

/** Requests to the unit hosts. What is to be used there is opened there first, where it is not yet or not any more. */
export class Asking {
  readonly #hosts: UnitHosts;

  constructor(hosts: UnitHosts) {
    this.#hosts = hosts;
  }

  async ask(
    op: number,
    how: Asked,
    fields: (asked: FieldWriter) => void,
    home?: string,
  ): Promise<FieldReader> {
    const asked = new FieldWriter();
    fields(asked);
    const payload = asked.finish();
    try {
      return new FieldReader(
        await this.#hosts.call({ ...how, op, payload, ...(home !== undefined && { home }) }),
      );
    } finally {
      payload.fill(0);
    }
  }

  /** As `ask`, of the home host of a handle, whose number comes first. */
  async askOf(
    handle: OpenHandle,
    op: number,
    how: Asked,
    fields: (asked: FieldWriter) => void,
  ): Promise<FieldReader> {
    return await this.#whileOpening(handle, handle.home, how, () =>
      this.ask(
        op,
        how,
        (asked) => {
          asked.count(handle.number);
          fields(asked);
        },
        handle.home,
      ),
    );
  }

  /** Opens a handle in its home host. */
  async open(handle: OpenHandle): Promise<void> {
    await this.#open(handle, handle.home, QUICK);
  }

  drop(number: number, home: string): void {
    // A host that does not hear it has gone, and everything that was open in it.
    this.ask(OP.close, QUICK, (asked) => asked.count(number), home).catch(() => undefined);
  }

  async #whileOpening<Result>(
    handle: OpenHandle,
    home: string,
    how: Asked,
    ask: () => Promise<Result>,
  ): Promise<Result> {
    for (let opened = 0; opened < OPENINGS; opened += 1) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof UnknownHandle)) throw error;
        await this.#openAgain(handle, home, how);
      }
    }
    throw new Failure("unit-unreachable", "the unit host does not keep what is opened in it");
  }

  /** A KEK that does not open any more in the form it was opened by has been re-enciphered meanwhile: whoever holds it begins anew. */
  async #openAgain(handle: OpenHandle, home: string, how: Asked): Promise<void> {
    try {
      await this.#open(handle, home, how);
    } catch (error) {
      if (error instanceof Failure && error.code === "register-pattern-mismatch")
        throw new Failure("unit-unreachable", "what was open in the unit host is gone", { cause: error });
      throw error;
    }
  }

  async #open(handle: OpenHandle, home: string, how: Asked): Promise<void> {
    const lane = how.lane === undefined ? QUICK : { ...QUICK, lane: how.lane };
    if (handle instanceof TokenKek) {
      await this.ask(OP.openKek, lane, (asked) => writeKek(asked, handle), home);
      return;
    }
    const { under } = handle;
    await this.#whileOpening(under, home, how, () =>
      this.ask(
        handle instanceof TokenMaterial ? OP.openMaterial : OP.openSigningKey,
        lane,
        (asked) => {
          asked.count(handle.number);
          asked.count(under.number);
          if (handle instanceof TokenSigningKey) asked.text(handle.spec);
          asked.bytes(handle.wrapped);
        },
        home,
      ),
    );
  }
}

function writeKek(asked: FieldWriter, { number, kek }: TokenKek): void {
  asked.count(number);
  asked.text(kek.wrapped.vp);
  asked.bytes(packed(kek));
}

/** @throws Failure `kek-not-opened` for a row whose parts have not the length that they must have. */
function packed({ wrapped, ...row }: KekToOpen): Uint8Array {
  const { bytes, malformed } = packRows([{ ...row, blob: wrapped.blob }]);
  const refused = malformed.get(0);
  if (refused) throw new Failure("kek-not-opened", `the wrapped KEK is refused: ${refused}`);
  return bytes;
}
