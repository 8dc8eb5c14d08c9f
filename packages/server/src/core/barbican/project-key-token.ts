import type { ProjectKeyRefusal, ProjectKeyTarget, SealedSecret, WrappedProjectKey } from "./project-key.ts";

/** How many keys of Barbican's type a token has under a label. */
export type LabelFinding = "found" | "missing" | "ambiguous";

/**
 * PORT: the token that holds the master keys of a Barbican. Nothing that it opens leaves it.
 *
 * Every method throws Failure `barbican-token-failed` where the token gives no answer, `barbican-pin-refused` where it refuses the PIN.
 * All may be repeated: nothing in the token changes.
 */
export interface ProjectKeyToken {
  readonly facts: ProjectKeyTokenFacts;
  /** Looks anew at each call. */
  find(
    labels: readonly { readonly use: "mkek" | "hmac"; readonly label: string }[],
  ): Promise<readonly LabelFinding[]>;
  /**
   * One result for each key, in their order: checked by its HMAC, unwrapped, wrapped for the target and signed; what was
   * made is opened again inside the token and compared with what was there.
   * @throws Failure `barbican-mechanism-unsuitable` where the token cannot wrap for the target, `barbican-key-missing` where it has not
   * exactly one key of a label of the target.
   */
  rewrap(
    keys: readonly WrappedProjectKey[],
    target: ProjectKeyTarget,
  ): Promise<readonly (WrappedProjectKey | { readonly refused: ProjectKeyRefusal })[]>;
  /** One result for each key, in their order: its HMAC is right, and it unwraps. */
  verify(
    keys: readonly WrappedProjectKey[],
  ): Promise<readonly ("opened" | { readonly refused: ProjectKeyRefusal })[]>;
  /**
   * Whether secrets decrypt under their project's KEK. The plaintext is wiped where it comes out, and goes nowhere.
   * One result for each secret, in their order, or why the key itself does not open.
   */
  verifySecrets(
    key: WrappedProjectKey,
    secrets: readonly SealedSecret[],
  ): Promise<
    | readonly ("opened" | { readonly refused: "not-opened" | "mechanism-unsupported" | "malformed" })[]
    | { readonly refused: ProjectKeyRefusal }
  >;
  close(): Promise<void>;
}

/** For reports. */
export interface ProjectKeyTokenFacts {
  readonly library: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly firmware: string;
  readonly label: string;
  readonly serial: string;
}
