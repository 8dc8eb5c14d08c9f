// Writes docs/errors.md from the table of failures. Run it with `node_modules/.bin/node scripts/generate-errors-doc.mjs`
// after a change of packages/server/src/core/errors.ts; a test fails while the committed file is another.

import { writeFileSync } from "node:fs";
import { errorsDocument } from "../packages/server/src/protocols/native/errors-document.ts";

writeFileSync(new URL("../docs/errors.md", import.meta.url), errorsDocument());
