import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestToken } from "../pkcs11/tokens.ts";
import { isWithout } from "../set-up/without.ts";
import { barbicanToken } from "./barbican-token.ts";
import type { Barbican } from "./barbican.ts";
import { startBarbican } from "./barbican.ts";
import type { DatabaseServer } from "./database-servers.ts";
import { DATABASE_SERVERS } from "./database-servers.ts";

/*
 * The Barbican that other tests are about, by itself: that it is a real one, and how it behaves when its project KEKs are
 * moved to other labels beside it. Its own rewrap moves them here, which works in 15.0.1.
 */

const OLD = { mkek: "mkek_2025", hmac: "hmac_2025" };
const NEW = { mkek: "mkek_2026", hmac: "hmac_2026" };
const TEXT = { red: "of the red project", blue: "des blauen Projekts: äöü €" };

/** A project KEK in the database. */
interface Kek {
  readonly external_id: string;
  readonly plugin_meta: string;
  readonly created_at: string;
  readonly updated_at: string;
}

interface PluginMeta {
  readonly iv: string;
  readonly wrapped_key: string;
  readonly hmac: string;
  readonly mkek_label: string;
  readonly hmac_label: string;
}

function keksOf(barbican: Barbican): readonly Kek[] {
  return barbican.sql(
    "SELECT external_id, kek_data.* FROM kek_data JOIN projects ON projects.id = project_id ORDER BY external_id",
  );
}

function metaOf({ plugin_meta }: Kek): PluginMeta {
  return JSON.parse(plugin_meta) as PluginMeta;
}

/** By project. */
function labelsIn(keks: readonly Kek[]): Readonly<Record<string, typeof OLD>> {
  const labels = (kek: Kek) => ({ mkek: metaOf(kek).mkek_label, hmac: metaOf(kek).hmac_label });
  return Object.fromEntries(keks.map((kek) => [kek.external_id, labels(kek)]));
}

function bytesIn(base64: string): number {
  return Buffer.from(base64, "base64").length;
}

describe.for(Object.entries(DATABASE_SERVERS))("Barbican on %s", ([, { needs, start }]) => {
  const lacks = ["barbican", "nss", ...(needs === undefined ? [] : [needs])].some(isWithout);
  let token: TestToken;
  let server: DatabaseServer;
  let barbican: Barbican;
  const refs = { red: "", blue: "" };

  beforeAll(async () => {
    if (lacks) return;
    token = barbicanToken();
    server = await start();
    barbican = await startBarbican({ token, databaseUrl: await server.newDatabase(), labels: OLD });
    for (const project of ["red", "blue"] as const)
      refs[project] = await barbican.storeSecret(project, TEXT[project]);
  });
  afterAll(async () => {
    await barbican?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
    token?.[Symbol.dispose]();
  });

  const readAll = async () => ({
    red: await barbican.readSecret("red", refs.red),
    blue: await barbican.readSecret("blue", refs.blue),
  });

  test.skipIf(lacks)("gives each project its secrets, also after it was restarted", async () => {
    expect(await readAll()).toEqual(TEXT);
    await barbican.restart();
    expect(await readAll()).toEqual(TEXT);
  });

  test.skipIf(lacks)("has the schema of its release, and a project KEK in it as 15.0.1 writes one", () => {
    const [version] = barbican.sql("SELECT version_num FROM alembic_version");
    expect(version).toEqual({ version_num: "8c74e2d7f1ff" });
    const keks = keksOf(barbican);
    expect(labelsIn(keks)).toEqual({ blue: OLD, red: OLD });
    for (const kek of keks) {
      expect(kek).toMatchObject({
        plugin_name: "barbican.plugin.crypto.p11_crypto.P11CryptoPlugin",
        kek_label: expect.stringMatching(`^project-${kek.external_id}-key-[0-9a-f-]{36}$`) as string,
        algorithm: "AES",
        bit_length: 256,
        mode: "CBC",
        deleted_at: null,
      });
      const meta = metaOf(kek);
      expect(Object.keys(meta)).toEqual(["iv", "wrapped_key", "hmac", "mkek_label", "hmac_label"]);
      expect(kek.plugin_meta).toBe(JSON.stringify(meta));
      expect([meta.iv, meta.wrapped_key, meta.hmac].map(bytesIn)).toEqual([16, 48, 32]);
    }
  });

  test.skipIf(lacks)("deletes softly: ciphertext and project KEK stay", async () => {
    await barbican.deleteSecret("red", refs.red);
    await expect(barbican.readSecret("red", refs.red)).rejects.toThrow("Barbican answered 404");
    await expect(barbican.readSecret("red", refs.blue)).rejects.toThrow("Barbican answered 403");
    const deleted = barbican.sql<Kek>(
      "SELECT external_id FROM encrypted_data JOIN kek_data ON kek_data.id = kek_id JOIN projects ON projects.id = " +
        "project_id WHERE encrypted_data.deleted AND NOT kek_data.deleted",
    );
    expect(deleted).toEqual([{ external_id: "red" }]);
  });
});

describe.skipIf(["barbican", "nss"].some(isWithout))("Barbican, while its project KEKs are rewrapped", () => {
  test("reads them under labels that are new to it, and goes on with its old ones", async () => {
    using token = barbicanToken();
    await using barbican = await startBarbican({ token, labels: OLD, encryptionMechanism: "CKM_AES_CBC" });
    const refs = {
      red: await barbican.storeSecret("red", TEXT.red),
      blue: await barbican.storeSecret("blue", TEXT.blue),
    };
    const [secret] = barbican.sql<{ readonly meta: string }>(
      "SELECT kek_meta_extended AS meta FROM encrypted_data",
    );
    expect(JSON.parse(secret?.meta ?? "")).toMatchObject({ mechanism: "CKM_AES_CBC" });
    const before = keksOf(barbican);
    // Anew, so that the KEK of the blue project is not open in it; one secret, so that it has read its labels.
    await barbican.restart();
    await barbican.readSecret("red", refs.red);

    barbican.makeKeys(NEW);
    barbican.configure(NEW);
    barbican.manage("hsm", "rewrap_pkek");
    const after = keksOf(barbican);
    expect(labelsIn(after)).toEqual({ blue: NEW, red: NEW });
    for (const [i, kek] of after.entries()) {
      expect(kek.created_at).toBe(before[i]?.created_at);
      // Upstream's model sets it whenever a row is written (barbican/model/models.py: onupdate).
      expect(kek.updated_at > (before[i]?.updated_at ?? "")).toBe(true);
    }
    expect(await barbican.readSecret("blue", refs.blue)).toBe(TEXT.blue);
    expect(await barbican.readSecret("red", refs.red)).toBe(TEXT.red);

    const green = await barbican.storeSecret("green", "too late");
    await barbican.stop();
    await expect(barbican.readSecret("green", green)).rejects.toThrow("fetch failed");
    await barbican.restart(NEW);
    await barbican.storeSecret("white", "in time");
    expect(labelsIn(keksOf(barbican))).toEqual({ blue: NEW, green: OLD, red: NEW, white: NEW });
    expect(await barbican.readSecret("green", green)).toBe("too late");
    expect(await barbican.readSecret("red", refs.red)).toBe(TEXT.red);
  });
});
