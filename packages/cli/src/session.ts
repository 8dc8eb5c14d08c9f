import { ClavigerClient, toBase64 } from "@claviger/sdk";
import { UsageError } from "./exit-status.ts";
import type { ConnectionOptions, Settings } from "./settings.ts";
import { readSettings } from "./settings.ts";
import { print, printJson } from "./terminal.ts";

/** Options that every command has. */
export interface CommonOptions extends ConnectionOptions {
  readonly json?: boolean;
}

/** What a command works with: the client, and the form its result is shown in. */
export class Session {
  readonly client: ClavigerClient;
  readonly json: boolean;

  /** Reads the settings. Throws UsageError where they do not suffice. */
  constructor(options: CommonOptions) {
    this.client = clientOf(readSettings(options, process.env));
    this.json = options.json === true;
  }

  /** Shows the result of the command, once: the API's view as one JSON document, or the text for people. */
  show<View>(view: View, forPeople: (view: View) => string): void {
    if (this.json) printJson(view, toBase64);
    else print(forPeople(view));
  }

  [Symbol.dispose](): void {
    this.client.close();
  }
}

/** The SDK finds what is no certificate or key, or does not fit together. */
function clientOf(settings: Settings): ClavigerClient {
  try {
    return new ClavigerClient(settings);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(`The settings cannot be used: ${error.message}.`, "See `claviger --help`.", error);
  }
}
