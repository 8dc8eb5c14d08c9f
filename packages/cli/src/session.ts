import { ClavigerClient, toBase64 } from "@claviger/sdk";
import { UsageError } from "./exit-status.ts";
import type { Connection, ConnectionOptions, Settings } from "./settings.ts";
import { readConnection, readSettings } from "./settings.ts";
import { print, printJson } from "./terminal.ts";

/** Options that every command has. */
export interface CommonOptions extends ConnectionOptions {
  readonly json?: boolean;
}

/** What a command works with: the client, which has no token here, and the form its result is shown in. */
export class OpenSession {
  readonly client: ClavigerClient;
  readonly connection: Connection;
  readonly json: boolean;

  /** Reads the settings. Throws UsageError where they do not suffice. */
  constructor(options: CommonOptions, settings: Settings = readConnection(options, process.env)) {
    this.connection = settings;
    this.client = clientOf(settings);
    this.json = options.json === true;
  }

  get address(): string {
    return this.connection.address;
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

/** An open session with the token, or the client certificate, that the settings give. */
export class Session extends OpenSession {
  constructor(options: CommonOptions) {
    super(options, readSettings(options, process.env));
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
