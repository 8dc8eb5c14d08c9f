// Writes docs/operations/configuration.md from the table of keys. Run it with
// `node_modules/.bin/node scripts/generate-configuration-doc.mjs` after a change of
// packages/server/src/ops/config-keys.ts; a test fails while the committed file is another.

import { writeFileSync } from "node:fs";
import { configurationDocument } from "../packages/server/src/ops/configuration-document.ts";

writeFileSync(new URL("../docs/operations/configuration.md", import.meta.url), configurationDocument());
