import type { Failure } from "../errors.ts";
import type { Revocations } from "../access/revocations.ts";
import type { KeyDirectory } from "../hierarchy/key-directory.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { UnitFolder } from "../ports/unit-folder.ts";
import type { SecretBytes } from "../secret/secret-bytes.ts";
import type { SignInPorts } from "./sign-in.ts";
import type { ChangePorts } from "./change-ports.ts";

/** Everything that the operations of one daemon work on. Each operation names the few of these that it uses. */
export interface ServicePorts extends ChangePorts, Omit<SignInPorts, "store"> {
  readonly materials: OpenedMaterials;
  readonly keys: KeyDirectory;
  readonly revocations: Revocations;
  readonly folder: UnitFolder;
  /** The one way by which plaintext and data keys leave for the caller they belong to. */
  readonly toBase64: (secret: SecretBytes) => string;
  readonly version: string;
  /** Takes note of a sign-in that failed; never of the token. */
  readonly signInFailed: (failure: Failure) => void;
}
