// Writes docs/openapi.json, the document that a daemon serves at /v1/openapi.json. Run it with
// `node_modules/.bin/node scripts/generate-openapi.mjs` after a change of packages/api or of the table of failures; a
// test fails while the committed file is another.

import { writeFileSync } from "node:fs";
import { openApiDocument } from "../packages/server/src/protocols/native/openapi-document.ts";

writeFileSync(new URL("../docs/openapi.json", import.meta.url), await openApiDocument());
