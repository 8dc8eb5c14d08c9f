import { EXIT_STATUS, FAILURES } from "../../core/errors.ts";
import type { FailureCategory, FailureCode } from "../../core/errors.ts";
import { HTTP_STATUS, httpStatus } from "./errors.ts";

const HEAD = `# Errors

<!-- Generated from packages/server/src/core/errors.ts by scripts/generate-errors-doc.mjs. Do not edit. -->

Every refusal and fault has one of these codes. Codes are stable: programs may rely on them, and on the category;
messages are for people, and may change. A reply of the native API names the code, the category, what happened, what to
do, the input at fault where there is one, and the id under which the log knows the request:

\`\`\`json
{
  "error": {
    "code": "key-disabled",
    "category": "conflict",
    "message": "The key is disabled.",
    "advice": "Enable it with \`claviger key enable\`, or use another key.",
    "requestId": "req-0e2f4a52-6f0e-4c3b-9a34-5d0f6f3f9a11"
  }
}
\`\`\`

What is not HTTP, or takes too long, is answered with \`invalid-request\` under HTTP status 400, 408 or 431 before there is a
request. Failures of categories \`unavailable\` and \`throttled\` are worth a retry, and carry \`Retry-After\`; the SDK
retries them twice.
\`claviger\` and \`clavigerd\` exit with the status below, with 0 on success and with 2 when they do not understand their
command line.
`;

/** The text of docs/errors.md. */
export function errorsDocument(): string {
  const sections = (Object.keys(HTTP_STATUS) as FailureCategory[]).map(section);
  return [HEAD, ...sections].join("\n");
}

function section(category: FailureCategory): string {
  const codes = (Object.keys(FAILURES) as FailureCode[]).filter(
    (code) => FAILURES[code].category === category,
  );
  return [
    `## ${category}`,
    "",
    "| code | HTTP | exit | meaning | what to do |",
    "| --- | --- | --- | --- | --- |",
    ...codes.map((code) => {
      const { meaning, advice } = FAILURES[code];
      return `| \`${code}\` | ${httpStatus(code)} | ${EXIT_STATUS[category]} | ${meaning} | ${advice} |`;
    }),
    "",
  ].join("\n");
}
