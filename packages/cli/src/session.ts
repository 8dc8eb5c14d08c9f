import { ClavigerClient, toBase64 } from "@claviger/sdk";
import { readSettings } from "./settings.ts";
import { print, printJson } from "./terminal.ts";

/** Options that every command has. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly addr?: string;
}

/** What a command works with: the client, and the form its result is shown in. */
export class Session {
  readonly client: ClavigerClient;
  readonly json: boolean;

  /** Reads the settings. Throws UsageError where they do not suffice. */
  constructor(options: CommonOptions) {
    this.client = new ClavigerClient(readSettings(options.addr, process.env));
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
