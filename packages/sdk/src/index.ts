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
export type { Page } from "./pages.ts";
export type { Changes } from "./changes.ts";
export type { Grant, Identity, NewPrincipal, NewToken, Principals } from "./principals.ts";
export type { Projects } from "./projects.ts";
export type { Units } from "./units.ts";
export type { DataKey, Decrypted, Encrypted, InProject, Keys, OneKey, WithContext } from "./keys.ts";
export type { MasterKeys, UnitRegisters } from "./master-keys.ts";

export { PLAINTEXT_LIMIT_BYTES, PROJECT_ROLES, ROLES } from "./words.ts";
export type {
  CensusView,
  ChangeStateName,
  ChangeView,
  Context,
  ErrorCategory,
  KeyView,
  PlanView,
  PrincipalView,
  ProjectView,
  RegistersView,
  Role,
  StatusView,
  TokenView,
  UnitView,
} from "@claviger/api";
