export { RecordHasher, hashOfChain } from "./chain-hash.ts";
export type { AuditEntry, AuditRecord, HeadRef, KeyIntroduction } from "./entry.ts";
export { entryText, parseRecord, recordText } from "./entry.ts";
export { beginLine, chainLine, endLine, headLine, keyLine, recordLine } from "./lines.ts";
export type { VerifyOptions } from "./log-verifier.ts";
export { BEGIN_OPERATION, LogVerifier } from "./log-verifier.ts";
export type { AuditKey, Head, SignedHead } from "./signed-head.ts";
export {
  auditKey,
  auditKeysOfPem,
  headText,
  introductionBytes,
  isSignedBy,
  parseHead,
  signedBytes,
} from "./signed-head.ts";
export type { AuditFault, AuditFaultKind, Verification } from "./verification.ts";
export { verifyExport } from "./verify-export.ts";
