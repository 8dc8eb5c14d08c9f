import { uuidText } from "../../core/crypto/uuid-bytes.ts";
import type { CloneRoute } from "../../core/crypto/master-key-clone.ts";
import { WRAPPED_KEK_BYTES } from "../../core/crypto/wrapped-kek.ts";
import type { ImportAlgorithm } from "../../core/crypto/import-wrap.ts";
import type { MessageType, SignatureAlgorithm, SigningSpec } from "../../core/crypto/signature-algorithms.ts";
import { FieldReader, FieldWriter } from "../../core/fields.ts";
import type { KekId, ProjectId, UnitAddress, Vp } from "../../core/ids.ts";
import type { KekBatchRow, OpenedRow, ReencipheredRow } from "../../core/unit/crypto-unit.ts";
import {
  PACKED_ROW_BYTES,
  PACKED_ROW_KCV_AT,
  PACKED_ROW_WRAPPED_AT,
  REFUSAL_CODES,
} from "../../core/unit/packed-rows.ts";
import type { RegisterCommand, RegisterName } from "../../core/unit/registers.ts";
import { HandleTable } from "./handle-table.ts";
import { serveRequests } from "./host/serve-requests.ts";
import { PinLatch } from "./pin-latch.ts";
import { ModuleMemory } from "./module-memory.ts";
import type { HostStart } from "./requests.ts";
import { HANDLE_LIMIT, OP } from "./requests.ts";
import { telling } from "./telling.ts";
import { MasterKeyClones } from "./token/clones.ts";
import { TokenImportKeys } from "./token/import-keys.ts";
import { TokenKeks } from "./token/keks.ts";
import { MasterKeys } from "./token/master-keys.ts";
import { TokenMaterials } from "./token/materials.ts";
import type { ObjectHandle } from "./token/module.ts";
import type { OpenedMaterial } from "./token/opened-material.ts";
import type { OpenedSigningKey } from "./token/signing-keys.ts";
import { TokenSigningKeys } from "./token/signing-keys.ts";
import { TokenSession } from "./token/token-session.ts";
import { UnitKey } from "./token/unit-key.ts";

/*
 * A unit host: one process that has one vendor's module loaded and one session with one token. It does what it is asked,
 * one request after the other. Started by host/host-process.ts.
 */

class UnitHost {
  readonly #memory = new ModuleMemory();
  readonly #token: TokenSession;
  readonly #masterKeys: MasterKeys;
  readonly #unitKey: UnitKey;
  readonly #clones: MasterKeyClones;
  readonly #keks: TokenKeks;
  readonly #materials: TokenMaterials;
  readonly #signing: TokenSigningKeys;
  readonly #imports: TokenImportKeys;
  readonly #openKeks: HandleTable<ObjectHandle>;
  readonly #openMaterials: HandleTable<OpenedMaterial>;
  readonly #openSigningKeys: HandleTable<OpenedSigningKey>;

  constructor(start: HostStart, pin: Uint8Array) {
    const logins = new PinLatch(start.stateFolder);
    const token = new TokenSession(start.module, start.token, pin, () => this.#lost(), logins);
    this.#token = token;
    this.#masterKeys = new MasterKeys(token, start);
    this.#unitKey = new UnitKey(token, start);
    this.#clones = new MasterKeyClones(token, this.#masterKeys, start, this.#unitKey);
    this.#keks = new TokenKeks(token, this.#masterKeys, start, start.kwp);
    this.#materials = new TokenMaterials(token, start.kwp);
    this.#signing = new TokenSigningKeys(token, start.kwp);
    this.#imports = new TokenImportKeys(token, start.kwp);
    this.#openKeks = new HandleTable(HANDLE_LIMIT, (kek) => token.module.destroyObject(token.session, kek));
    this.#openMaterials = new HandleTable(HANDLE_LIMIT, (material) => this.#materials.close(material));
    this.#openSigningKeys = new HandleTable(HANDLE_LIMIT, (key) => this.#signing.close(key));
    token.open();
  }

  do(op: number, payload: Uint8Array): Uint8Array {
    const work = this.#works[op];
    if (!work) throw new TypeError(`there is no operation ${op}`);
    if (this.#memory.isUsedUp()) this.#token.renew();
    return this.#token.run(() => {
      const reply = new FieldWriter();
      work(new FieldReader(payload), reply);
      return reply.finish();
    });
  }

  readonly #works: Readonly<Record<number, (asked: FieldReader, reply: FieldWriter) => void>> = {
    [OP.readRegisters]: (_, reply) => reply.text(JSON.stringify(this.#masterKeys.reading())),
    [OP.execute]: (asked, reply) =>
      reply.text(JSON.stringify(this.#masterKeys.execute(JSON.parse(asked.text()) as RegisterCommand))),
    [OP.forgetRegisters]: () => this.#masterKeys.forget(),
    [OP.pinPeer]: (asked) =>
      this.#clones.pin({ address: asked.text() as UnitAddress, publicKey: asked.bytes() }),
    [OP.exportMasterKey]: (asked, reply) =>
      reply.bytes(this.#clones.export(JSON.parse(asked.text()) as CloneRoute)),
    [OP.importMasterKey]: (asked, reply) => {
      const route = JSON.parse(asked.text()) as CloneRoute;
      reply.text(JSON.stringify(this.#clones.import(route, asked.bytes())));
    },
    [OP.unitKey]: (_, reply) => reply.bytes(this.#unitKey.publicKey()),
    [OP.createUnitKey]: (_, reply) => reply.bytes(this.#unitKey.createOrPublicKey()),
    [OP.createKek]: (asked, reply) => {
      const row = { projectId: asked.text() as ProjectId, kekId: asked.text() as KekId };
      const { kcv, wrapped } = this.#keks.create(row, JSON.parse(asked.text()) as Vp[]);
      reply.bytes(kcv);
      for (const { blob } of wrapped) reply.bytes(blob);
    },
    [OP.openKek]: (asked) => {
      const number = asked.count();
      const vp = asked.text() as Vp;
      const [row] = rowsOf(asked.bytes());
      if (row) this.#openKeks.open(number, () => this.#keks.open(row, vp));
    },
    [OP.reencipher]: (asked, reply) => {
      const [from, to] = [asked.text() as Vp, asked.text() as Vp];
      for (const done of this.#keks.reencipher(rowsOf(asked.bytes()), from, to)) {
        reply.byte(codeOf(done));
        reply.fixed("blob" in done ? done.blob : new Uint8Array(WRAPPED_KEK_BYTES));
      }
    },
    [OP.verify]: (asked, reply) => {
      const vp = asked.text() as Vp;
      const among = JSON.parse(asked.text()) as RegisterName[];
      for (const row of this.#keks.verify(rowsOf(asked.bytes()), vp, among)) reply.byte(codeOf(row));
    },
    [OP.close]: (asked) => {
      const number = asked.count();
      for (const table of [this.#openKeks, this.#openMaterials, this.#openSigningKeys]) table.close(number);
    },
    [OP.generateMaterial]: (asked, reply) =>
      reply.bytes(this.#materials.generate(this.#openKeks.get(asked.count()))),
    [OP.openMaterial]: (asked) => {
      const [number, under] = [asked.count(), asked.count()];
      const wrapped = asked.bytes();
      // Also where the material is open: it may be asked for again because it has missed its KEK.
      const kek = () => this.#openKeks.get(under);
      kek();
      this.#openMaterials.open(number, () => this.#materials.open(kek, wrapped));
    },
    [OP.encrypt]: (asked, reply) => {
      const material = this.#openMaterials.get(asked.count());
      const { suite, nonce, sealed } = this.#materials.encrypt(material, asked.bytes(), asked.bytes());
      reply.byte(suite);
      reply.bytes(nonce);
      reply.bytes(sealed);
    },
    [OP.decrypt]: (asked, reply) => {
      const material = this.#openMaterials.get(asked.count());
      const payload = { suite: asked.byte(), nonce: asked.bytes(), sealed: asked.bytes() };
      const plaintext = this.#materials.decrypt(material, payload, asked.bytes());
      reply.bytes(plaintext);
      plaintext.fill(0);
    },
    [OP.mac]: (asked, reply) =>
      reply.bytes(this.#materials.mac(this.#openMaterials.get(asked.count()), asked.bytes())),
    [OP.random]: (asked, reply) => {
      const bytes = this.#materials.random(asked.count());
      reply.bytes(bytes);
      bytes.fill(0);
    },
    [OP.generateKeyPair]: (asked, reply) => {
      const kek = this.#openKeks.get(asked.count());
      const { publicKey, wrapped } = this.#signing.generateKeyPair(kek, asked.text() as SigningSpec);
      reply.bytes(publicKey);
      reply.bytes(wrapped);
    },
    [OP.openSigningKey]: (asked) => {
      const number = asked.count();
      const kek = this.#openKeks.get(asked.count());
      const spec = asked.text() as SigningSpec;
      this.#openSigningKeys.open(number, () => this.#signing.open(kek, spec, asked.bytes()));
    },
    [OP.sign]: (asked, reply) => {
      const key = this.#openSigningKeys.get(asked.count());
      const [algorithm, type] = [asked.text() as SignatureAlgorithm, asked.text() as MessageType];
      reply.bytes(this.#signing.sign(key, algorithm, asked.bytes(), type));
    },
    [OP.createImportKey]: (asked, reply) => {
      const { publicKey, wrapped } = this.#imports.create(this.#openKeks.get(asked.count()));
      reply.bytes(publicKey);
      reply.bytes(wrapped);
    },
    [OP.importMaterial]: (asked, reply) => {
      const kek = this.#openKeks.get(asked.count());
      const algorithm = asked.text() as ImportAlgorithm;
      reply.bytes(
        this.#imports.importMaterial(kek, { algorithm, importKey: asked.bytes(), wrapped: asked.bytes() }),
      );
    },
  };

  #lost(): void {
    this.#masterKeys.lost();
    for (const table of [this.#openKeks, this.#openMaterials, this.#openSigningKeys]) table.lost();
  }
}

function rowsOf(packed: Uint8Array): readonly KekBatchRow[] {
  return Array.from({ length: packed.byteLength / PACKED_ROW_BYTES }, (_, i) => {
    const row = packed.subarray(i * PACKED_ROW_BYTES, (i + 1) * PACKED_ROW_BYTES);
    return {
      projectId: uuidText(row, 0) as ProjectId,
      kekId: uuidText(row, 16) as KekId,
      kcv: row.subarray(PACKED_ROW_KCV_AT, PACKED_ROW_WRAPPED_AT),
      blob: row.subarray(PACKED_ROW_WRAPPED_AT),
    };
  });
}

function codeOf(row: ReencipheredRow | OpenedRow): number {
  return row === "opened" || "blob" in row ? 0 : REFUSAL_CODES[row.refused];
}

let host: UnitHost | undefined;

serveRequests({
  start: (payload) =>
    telling(() => {
      const fields = new FieldReader(payload);
      const start = JSON.parse(fields.text()) as HostStart;
      host = new UnitHost(start, Uint8Array.from(fields.bytes()));
    }),
  handle: (op, payload) =>
    telling(() => {
      if (!host) throw new TypeError("the host was not started");
      return host.do(op, payload);
    }),
});
