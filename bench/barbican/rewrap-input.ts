import type { ProjectKeyTarget } from "../../packages/server/src/core/barbican/project-key.ts";
import type { ProcessCost } from "./process-cost.ts";

/** What rewrap-process.ts is started with, as JSON; the PIN comes on its standard input. */
export interface RewrapInput {
  readonly databaseUrl: string;
  /** Path of the PKCS#11 module. */
  readonly module: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly label: string;
  readonly target: ProjectKeyTarget;
}

/** What it prints, as JSON. */
export interface RewrapOutput {
  readonly moved: number;
  /** From the first look at the token to the end of the recount. */
  readonly seconds: number;
  readonly parent: ProcessCost;
  readonly hosts: readonly ProcessCost[];
}
