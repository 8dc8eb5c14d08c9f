// Writes the pages of docs/devices/ that the tokens on this machine can give. Run it with
// `node_modules/.bin/node scripts/generate-device-docs.mjs` after a change of what is probed; a test fails while a
// committed page is another.

import { writeFileSync } from "node:fs";
import { DEVICE_PAGES, devicePage } from "../test/pkcs11/device-pages.ts";

for (const page of DEVICE_PAGES.filter(({ isHere }) => isHere())) {
  writeFileSync(new URL(`../docs/devices/${page.file}`, import.meta.url), await devicePage(page));
}
