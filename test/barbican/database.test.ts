import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openDatabase } from "../../packages/server/src/barbican/database/open-database.ts";
import type { BarbicanDatabase } from "../../packages/server/src/core/barbican/barbican-database.ts";
import { isWithout } from "../set-up/without.ts";
import type { Place, Places } from "./places.ts";
import { mariadbPlaces, postgresPlaces, sqlitePlaces } from "./places.ts";
import { MADE_AT, insertKeks, insertProject, insertSecret, schema } from "./schema.ts";

const META = '{"iv":null,"wrapped_key":"Aa==","hmac":"Bb==","mkek_label":"m","hmac_label":"h"}';
const BATCH = 1_000;
const KINDS = [
  ["SQLite", sqlitePlaces, undefined],
  ["PostgreSQL", postgresPlaces, "postgresql"],
  ["MariaDB", mariadbPlaces, "mariadb"],
] as const;

for (const [kind, start, needs] of KINDS)
  describe.skipIf(needs !== undefined && isWithout(needs))(`the database of a Barbican on ${kind}`, () => {
    let places: Places;
    let place: Place;
    let database: BarbicanDatabase;
    const opened: BarbicanDatabase[] = [];

    beforeAll(async () => {
      places = await start();
    });
    afterAll(() => places[Symbol.asyncDispose]());

    beforeEach(async () => {
      place = await places.newPlace();
      for (const sql of schema(places.dialect)) await place.run(sql);
      await place.run(insertProject("p1", "external-1"));
      database = await open();
    });
    afterEach(async () => {
      for (const one of opened.splice(0)) await one.close();
    });

    async function open(): Promise<BarbicanDatabase> {
      const one = await openDatabase(place.url);
      opened.push(one);
      return one;
    }

    /** `count` rows with META, of the ids that are returned. */
    async function addKeks(count: number): Promise<readonly string[]> {
      const ids = Array.from({ length: count }, (_, at) => `kek-${String(at).padStart(6, "0")}`);
      for (let at = 0; at < count; at += BATCH) {
        const part = ids.slice(at, at + BATCH);
        await place.run(insertKeks(part.map((id) => ({ id, projectId: "p1", pluginMeta: `'${META}'` }))));
      }
      return ids;
    }

    it("says what it is", () => {
      expect(database.facts.kind).toBe(kind);
      expect(database.facts.version).toMatch(/^\d+\.\d+/);
    });

    it("gives the rows of the plugin in every state, and no others", async () => {
      await place.run(
        insertKeks([
          { id: "a", projectId: "p1", pluginMeta: `'${META}'` },
          { id: "b", projectId: "p1", pluginMeta: `'${META}'`, isActive: false },
          { id: "c", projectId: "gone", pluginMeta: "NULL", isDeleted: true },
          {
            id: "d",
            projectId: "p1",
            pluginMeta: "'gAAAA'",
            plugin: "barbican.plugin.crypto.simple_crypto.S",
          },
        ]),
      );
      const row = { pluginMeta: META, isActive: true, isDeleted: false };
      expect(await database.kekRows(null, 10)).toEqual([
        { ...row, id: "a" },
        { ...row, id: "b", isActive: false },
        { ...row, id: "c", pluginMeta: null, isDeleted: true },
      ]);
      expect(await database.countKekRows()).toBe(3);
      const projects = ["a", "c", "nobody's"].map((id) => database.projectOf(id));
      expect(await Promise.all(projects)).toEqual(["external-1", null, null]);
    });

    it("gives page after page, each row once", async () => {
      const ids = await addKeks(10);
      const seen: string[] = [];
      let page = await database.kekRows(null, 4);
      const lengths = [page.length];
      while (page.length > 0) {
        seen.push(...page.map(({ id }) => id));
        page = await database.kekRows(seen.at(-1) ?? null, 4);
        lengths.push(page.length);
      }
      expect(seen).toEqual(ids);
      expect(lengths).toEqual([4, 4, 2, 0]);
    });

    it("writes rows that are as expected, and says which", async () => {
      await addKeks(4);
      const to = META.replace('"m"', String.raw`"m's \\ \"2\" \u00fc %s ? $1"`);
      const written = await database.replace([
        { id: "kek-000000", from: META, to },
        { id: "kek-000001", from: META.replace("A", "a"), to },
        { id: "kek-000002", from: `${META} `, to },
        { id: "kek-none", from: META, to },
      ]);
      expect(written).toEqual(new Set(["kek-000000"]));
      const metas = (await database.kekRows(null, 10)).map(({ pluginMeta }) => pluginMeta);
      expect(metas).toEqual([to, META, META, META]);
      expect(await database.replace([{ id: "kek-000000", from: META, to: "never" }])).toEqual(new Set());
      expect(await database.replace([{ id: "kek-000000", from: to, to: META }])).toEqual(
        new Set(["kek-000000"]),
      );
    });

    it("writes text beyond ASCII that somebody put there, by its bytes", async () => {
      const [id = ""] = await addKeks(1);
      const umlaut = META.replace('"m"', '"ü"');
      expect((await database.replace([{ id, from: META, to: umlaut }])).size).toBe(1);
      expect((await database.replace([{ id, from: META.replace('"m"', '"Ü"'), to: META }])).size).toBe(0);
      expect((await database.replace([{ id, from: META.replace('"m"', '"u"'), to: META }])).size).toBe(0);
      expect((await database.replace([{ id, from: umlaut, to: META }])).size).toBe(1);
    });

    it("sets updated_at of the rows it writes, and of no others", async () => {
      const [id = ""] = await addKeks(2);
      await database.replace([{ id, from: META, to: "x" }]);
      const rows = await place.run<{ day: string }>(
        `SELECT CAST(updated_at AS CHAR(26)) AS day FROM kek_data ORDER BY id`,
      );
      // As upstream stores it, and by the day: the test may not run across midnight of UTC by more than that.
      expect(rows[0]?.day).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/);
      const age = Date.now() - Date.parse(`${rows[0]?.day.slice(0, 19).replace(" ", "T")}Z`);
      expect(Math.abs(age)).toBeLessThan(300_000);
      expect(rows[1]?.day.slice(0, 10)).toBe(MADE_AT);
    });

    it("writes batches of a thousand, and of any length", async () => {
      const ids = await addKeks(2_345);
      let after: string | null = null;
      for (const length of [1, 999, 1_000, 345]) {
        const page = await database.kekRows(after, length);
        const changes = page.map(({ id, pluginMeta }) => ({
          id,
          from: pluginMeta ?? "",
          to: `{"of":"${id}"}`,
        }));
        expect((await database.replace(changes)).size).toBe(length);
        after = page.at(-1)?.id ?? null;
      }
      const rows = await database.kekRows(null, 3_000);
      expect(rows.map(({ pluginMeta }) => pluginMeta)).toEqual(ids.map((id) => `{"of":"${id}"}`));
      expect(await database.replace([])).toEqual(new Set());
    });

    it("gives the secrets whose KEK is of the plugin, text or bytes, in every state", async () => {
      const bytes = places.dialect === "sqlite" ? "CAST('QUJD' AS BLOB)" : "'QUJD'";
      await place.run(
        insertKeks([
          { id: "a", projectId: "p1", pluginMeta: `'${META}'`, isDeleted: true },
          {
            id: "b",
            projectId: "p1",
            pluginMeta: "'gAAAA'",
            plugin: "barbican.plugin.crypto.simple_crypto.S",
          },
        ]),
      );
      await place.run(insertSecret("s1", "a", "'QUJD'"));
      await place.run(insertSecret("s2", "a", bytes, { isDeleted: true }));
      await place.run(insertSecret("s3", "b", "'QUJD'"));
      const row = {
        kekId: "a",
        pluginMeta: META,
        cypherText: "QUJD",
        kekMetaExtended: '{"iv":"AAAA","mechanism":"CKM_AES_GCM"}',
      };
      const [first, second] = [
        { ...row, id: "s1", secretId: "of-s1", isDeleted: false },
        { ...row, id: "s2", secretId: "of-s2", isDeleted: true },
      ];
      expect(await database.secretRows(null, 10)).toEqual([first, second]);
      expect(await database.secretRows(null, 1)).toEqual([first]);
      expect(await database.secretRows("s1", 10)).toEqual([second]);
      expect(await database.countSecretRows()).toBe(2);
    });

    it("keeps a second run out until the first one ends", async () => {
      const second = await open();
      await database.lockOutOthers();
      await expect(second.lockOutOthers()).rejects.toMatchObject({ code: "barbican-run-in-progress" });
      await database.close();
      opened.splice(opened.indexOf(database), 1);
      await second.lockOutOthers();
    });

    it("refuses a database without the tables of Barbican, and says how they are made", async () => {
      await place.run("DROP TABLE encrypted_data");
      await expect(open()).rejects.toMatchObject({
        code: "barbican-database-unsuitable",
        message: expect.stringContaining("is `barbican-manage db upgrade` done?") as string,
      });
    });
  });
