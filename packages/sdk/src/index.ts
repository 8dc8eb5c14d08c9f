export { ClavigerClient } from "./client.ts";
export type { ClavigerClientOptions } from "./client.ts";
export type { CallInput, CallOptions, Loose } from "./call.ts";
export { ClavigerError } from "./claviger-error.ts";
export type { ClavigerErrorFields, ClientFailureCode } from "./claviger-error.ts";
export type {
  ConnectTransport,
  TlsOptions,
  Transport,
  TransportFault,
  TransportLimits,
  TransportOptions,
  TransportReply,
  TransportRequest,
} from "./transport.ts";
export { TransportError } from "./transport.ts";
export { fetchTransport } from "./fetch-transport.ts";
export { connectDefault as defaultTransport } from "#default-transport";
export { fromBase64, toBase64 } from "./base64.ts";
export { isOpen, isVerified } from "./change-states.ts";
export type { Until, WaitOptions } from "./wait-for-change.ts";
export type { PageQuery } from "./caller.ts";
export type { Audit, AuditQuery } from "./audit.ts";
export type { Backups, BackupWaitOptions } from "./backups.ts";
export type { Page } from "./pages.ts";
export type { Changes } from "./changes.ts";
export type { Grant, Identity, NewPrincipal, NewToken, Principals } from "./principals.ts";
export type { Projects } from "./projects.ts";
export type { Units } from "./units.ts";
export type {
  DataKey,
  Decrypted,
  Encrypted,
  ImportAlgorithmName,
  ImportToken,
  Included,
  InProject,
  Keys,
  Message,
  OneKey,
  SignatureAlgorithmName,
  Signed,
  Verified,
  WithContext,
} from "./keys.ts";
export type { MasterKeys, UnitRegisters } from "./master-keys.ts";

export { KEY_SPECS, PLAINTEXT_LIMIT_BYTES, PROJECT_ROLES, ROLES, SIGNATURE_ALGORITHMS } from "./words.ts";
export type {
  AuditArchiveView,
  AuditKeyView,
  AuditRecordView,
  AuditVerificationView,
  BackupView,
  CensusView,
  ChangeStateName,
  ChangeView,
  Context,
  ErrorCategory,
  KeyView,
  PlanView,
  PrincipalView,
  ProjectView,
  PublicKeyView,
  RegistersView,
  Role,
  StatusView,
  TokenView,
  UnitView,
} from "@claviger/api";
