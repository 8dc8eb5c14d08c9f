import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { DEVICE_PAGES, devicePage } from "./device-pages.ts";

for (const page of DEVICE_PAGES) {
  test.skipIf(!page.isHere())(
    `docs/devices/${page.file} is what scripts/generate-device-docs.mjs writes`,
    async () => {
      const committed = readFileSync(new URL(`../../docs/devices/${page.file}`, import.meta.url), "utf8");
      expect(await devicePage(page)).toBe(committed);
    },
  );
}
