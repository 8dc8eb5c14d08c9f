/**
 * The closed table of everything that Claviger refuses or fails at. Each protocol maps it with
 * `satisfies Record<FailureCode, …>` or by category, the CLI takes its exit status from the category,
 * and docs/errors.md is generated from it. No key, plaintext, PIN or wrapped blob may enter a message.
 */

/**
 * What kind of refusal it is. `blocked`, `throttled` and `unavailable` are worth a retry when their cause is gone;
 * the last two are retried by the SDK by itself, at most twice.
 */
export type FailureCategory =
  | "invalid"
  | "unauthenticated"
  | "forbidden"
  | "absent"
  | "conflict"
  | "precondition"
  | "blocked"
  | "throttled"
  | "unavailable"
  | "internal";

/** Exit status of `claviger` and `clavigerd` for each category; 0 is success, 2 a command line that is not understood. */
export const EXIT_STATUS = {
  invalid: 1,
  unauthenticated: 1,
  forbidden: 1,
  absent: 1,
  precondition: 3,
  conflict: 4,
  blocked: 5,
  throttled: 5,
  unavailable: 6,
  internal: 1,
} as const satisfies Record<FailureCategory, number>;

interface FailureRow {
  readonly category: FailureCategory;
  /** One sentence: what happened. */
  readonly meaning: string;
  /** One sentence: what to do now. */
  readonly advice: string;
}

export const FAILURES = {
  // Requests
  "invalid-request": row(
    "invalid",
    "The request does not have the form that the API document states.",
    "Correct the field that is named and send it again.",
  ),
  "body-too-large": row(
    "invalid",
    "The request body is larger than the limit.",
    "Send less: bulk data belongs under a data key, encrypted where it lives.",
  ),
  "route-not-found": row("absent", "There is no such route.", "See /v1/openapi.json for the routes."),
  unauthenticated: row(
    "unauthenticated",
    "The request carries no bearer token, or one that is not known.",
    "Send `Authorization: Bearer …` with a valid token.",
  ),
  "token-expired": row(
    "unauthenticated",
    "The token has expired.",
    "Sign in again with `claviger sign-in`, or ask an administrator for another token: `claviger token create`.",
  ),
  "token-revoked": row(
    "unauthenticated",
    "The token was revoked.",
    "Sign in again with `claviger sign-in`, or ask an administrator for another token: `claviger token create`.",
  ),
  "principal-disabled": row(
    "unauthenticated",
    "The principal is disabled.",
    "Ask an administrator: `claviger principal enable`.",
  ),
  "rate-limited": row(
    "throttled",
    "More requests come than the service takes: of one principal, or sign-ins that failed.",
    "Wait as long as Retry-After says, and send fewer.",
  ),
  "certificate-mismatch": row(
    "unauthenticated",
    "The principal of this token is bound to another client certificate than that of the connection.",
    "Connect with the principal's own certificate; an administrator sees and changes it with `claviger principal certificate`.",
  ),
  "sign-in-refused": row(
    "unauthenticated",
    "The ID token does not prove who signs in: another issuer, client or key, too old, or used before.",
    "Begin anew with `claviger sign-in`; if that fails too, compare `oidc.issuer` and `oidc.client_id` with the issuer.",
  ),
  "identity-unknown": row(
    "unauthenticated",
    "No principal has the identity that was proved.",
    "Ask an administrator to type the command that is named, with the name of your principal.",
  ),
  "sign-in-not-configured": row(
    "precondition",
    "The service has no issuer that people could sign in with.",
    "Set `oidc.issuer` and `oidc.client_id`, or use a token.",
  ),
  "identity-provider-unavailable": row(
    "unavailable",
    "The issuer, or its keys, cannot be had.",
    "Check that the daemon and you reach `oidc.issuer`; tokens go on working meanwhile.",
  ),
  "client-certificate-refused": row(
    "unauthenticated",
    "The connection carries no client certificate that this service accepts.",
    "Connect with a certificate that a CA in `tls.client_ca` has issued for clients, and that has not expired.",
  ),
  "tls-required": row(
    "invalid",
    "The request came in plain HTTP to a port that speaks TLS.",
    "Use an address that begins with https://.",
  ),
  forbidden: row(
    "forbidden",
    "The principal has no role that may do this.",
    "Ask an administrator for a principal with the role that is named.",
  ),

  // Hierarchy
  "project-not-found": row(
    "absent",
    "There is no such project.",
    "List the projects with `claviger project list`.",
  ),
  "project-exists": row("conflict", "A project of that name exists already.", "Choose another name."),
  "key-not-found": row(
    "absent",
    "There is no such key in this project.",
    "List the keys with `claviger key list`.",
  ),
  "key-exists": row("conflict", "A key of that name exists already in this project.", "Choose another name."),
  "key-disabled": row(
    "conflict",
    "The key is disabled.",
    "Enable it with `claviger key enable`, or use another key.",
  ),
  "key-pending-import": row(
    "conflict",
    "The key has no material yet.",
    "Import it with `claviger key import`.",
  ),
  "key-usage-differs": row(
    "invalid",
    "The key is not for this.",
    "Encrypt with a key of spec AES_256, and sign with one of the others; `claviger key show` names the spec.",
  ),
  "algorithm-refused": row(
    "invalid",
    "The key does not sign with this algorithm.",
    "Take one of those that are named, or none: then it is the usual one of the key.",
  ),
  "key-origin-differs": row(
    "conflict",
    "This does not fit where the material of the key comes from.",
    "Imported keys get a new version by `claviger key import`, all others by `claviger key rotate`.",
  ),
  "import-token-refused": row(
    "invalid",
    "The import token is not the one that this key waits for.",
    "Ask for a new one: a token is for one key and one import, and a later token replaces it.",
  ),
  "import-token-expired": row(
    "precondition",
    "The import token has expired.",
    "Ask for a new one, and wrap the material for its public key.",
  ),
  "key-material-refused": row(
    "invalid",
    "The material cannot be imported as it is.",
    "Wrap exactly 32 bytes for the public key of the token, with the algorithm that the request names.",
  ),
  "key-pending-deletion": row(
    "conflict",
    "The key is waiting for its deletion.",
    "Cancel that with `claviger key cancel-deletion` while there is time, or use another key.",
  ),
  "key-not-pending-deletion": row(
    "conflict",
    "No deletion of the key is scheduled.",
    "See its state with `claviger key show`.",
  ),
  "key-destroyed": row(
    "conflict",
    "The key was destroyed: its material is gone, and what it encrypted stays closed for ever.",
    "Use another key; only a backup from before its destruction still has the material.",
  ),
  "key-changed": row(
    "conflict",
    "The key was changed by someone else meanwhile.",
    "Read it again and repeat the request.",
  ),
  "ciphertext-refused": row(
    "invalid",
    "The ciphertext cannot be decrypted with what was given.",
    "Check that it is complete, and that project and encryption context are those of its encryption.",
  ),
  "record-not-vouched": row(
    "internal",
    "A stored record is not vouched for by its MAC, so it is not used.",
    "Treat it as tampering: compare the database with a backup before you restore the record.",
  ),
  "kek-not-opened": row(
    "internal",
    "A project KEK could not be opened by any serving crypto unit.",
    "Check `claviger unit list`: a unit that holds the verification pattern of the KEK must serve.",
  ),
  "mutations-frozen": row(
    "blocked",
    "Creating and rotating is frozen while a master-key change re-enciphers.",
    "Repeat it when the change is READY; cancelling the change ends the freeze too.",
  ),

  // Crypto units and registers
  "unit-not-found": row(
    "absent",
    "There is no such crypto unit.",
    "List the units with `claviger unit list`.",
  ),
  "unit-exists": row(
    "conflict",
    "A crypto unit of that address exists already.",
    "Choose another address, as card.domain in hex.",
  ),
  "unit-unreachable": row(
    "unavailable",
    "The crypto unit does not answer.",
    "Bring it back, or take it out with `claviger unit quarantine`.",
  ),
  "unit-not-serving": row(
    "precondition",
    "The crypto unit is not serving.",
    "See its state with `claviger unit show`.",
  ),
  "unit-needed": row(
    "precondition",
    "The crypto unit is the last one that serves its group.",
    "Add another unit to the group first.",
  ),
  "unit-register-differs": row(
    "precondition",
    "The CURRENT register of the unit does not hold the master key of its group.",
    "Copy or activate the group's master key on it first.",
  ),
  "unit-missing": row(
    "precondition",
    "The database names a crypto unit whose sealed file, or attachment to a token, is not there.",
    "Restore the unit folder; a new unit in its place could not open a single key.",
  ),
  "unit-pin-wrong": row(
    "precondition",
    "The PIN does not open the crypto unit.",
    "Check the PIN file of the unit; the sealed file itself is undamaged as far as can be told.",
  ),
  "unit-file-tampered": row(
    "precondition",
    "The sealed file of the crypto unit was changed or damaged.",
    "Restore the file from its last copy, or rebuild the unit from another unit of its group.",
  ),
  "unit-token-damaged": row(
    "precondition",
    "The token of the crypto unit lacks an object of a master key, or has one twice.",
    "Compare the token's objects with its backup. Nothing is created in place of what is missing.",
  ),
  "module-not-allowed": row(
    "precondition",
    "The configuration of the daemon does not allow this PKCS#11 module.",
    "If it is right, add its path to `pkcs11.modules` in the daemon's configuration and start the daemon again: a module is a library that runs as the daemon's user.",
  ),
  "pin-file-refused": row(
    "precondition",
    "The PIN file of the token cannot be used.",
    "Put it on the daemon's machine into the folder that `pkcs11.pins` names (default: `pins` in the data folder), for the daemon's user only: `chmod 600`.",
  ),
  "unit-lacks-ability": row(
    "precondition",
    "The crypto unit cannot do this.",
    "See its abilities with `claviger unit show`.",
  ),
  "unit-peer-not-pinned": row(
    "precondition",
    "The public key of the other unit is not pinned in this unit.",
    "Add the other unit to the group, which pins it.",
  ),
  "no-serving-unit": row(
    "unavailable",
    "No crypto unit that holds the needed master key is serving.",
    "Bring a unit back or readmit one; see `claviger unit list`.",
  ),
  "register-state": row(
    "precondition",
    "The register is not in the state that the command needs.",
    "See the registers with `claviger unit show`.",
  ),
  "register-pattern-mismatch": row(
    "precondition",
    "The register holds a master key with another verification pattern.",
    "Compare the pattern with what the custodians agreed on before you go on.",
  ),
  "register-command-refused": row(
    "conflict",
    "An open master-key change forbids this register command.",
    "Finish or cancel the change first.",
  ),
  "pattern-not-expected": row(
    "precondition",
    "The configuration does not list this verification pattern among those the group may have.",
    "Add it to `expected_vps` if it is right; treat it as an incident if it is not.",
  ),

  // Master-key change
  "change-not-found": row(
    "absent",
    "There is no such master-key change.",
    "List the changes with `claviger change list`.",
  ),
  "change-open": row(
    "conflict",
    "Another master-key change is open for this group and type.",
    "Finish or cancel that change first.",
  ),
  "change-state": row(
    "conflict",
    "The change is not in a state that allows this.",
    "See where it stands with `claviger change show`.",
  ),
  "change-moved": row(
    "conflict",
    "The change was moved by someone else meanwhile.",
    "See where it stands with `claviger change show`, and repeat it if it still fits.",
  ),
  "change-not-ready": row(
    "precondition",
    "Not every condition for this step is met.",
    "Remove the obstacles that are named; `claviger change plan` lists them again.",
  ),
  "change-unverified": row(
    "precondition",
    "Not every KEK has been opened under the new master key on every serving unit yet.",
    "Wait: verification runs by itself; `--wait` waits for it.",
  ),
  "approval-required": row(
    "precondition",
    "This needs the approval of a second principal.",
    "Let another principal run `claviger change approve`.",
  ),
  "approval-own": row(
    "forbidden",
    "Whoever asks for an approval cannot give it.",
    "Let another principal run `claviger change approve`.",
  ),
  "approval-missing": row(
    "absent",
    "Nothing waits for an approval on this change.",
    "Ask for purge or override first.",
  ),

  // Principals
  "principal-exists": row("conflict", "A principal of that name exists already.", "Choose another name."),
  "principal-not-found": row(
    "absent",
    "There is no such principal.",
    "List the principals with `claviger principal list`.",
  ),
  "principal-changed": row(
    "conflict",
    "The principal was changed by someone else meanwhile.",
    "Read it again and repeat the request.",
  ),
  "administrator-needed": row(
    "precondition",
    "Nobody would be left who is administrator of the whole service.",
    "Make another principal administrator first.",
  ),
  "certificate-not-proved": row(
    "precondition",
    "You would bind yourself to a client certificate that this connection has not proved: if it is a wrong one, you are locked out.",
    "Call over a connection with that certificate (`--client-cert`, `--client-key`), with your token; or let another administrator bind it.",
  ),
  "credential-needed": row(
    "precondition",
    "Nothing would be left by which you can prove yourself.",
    "Make another token first (`claviger token create`) and call with that one, or let another administrator do it.",
  ),
  "identity-taken": row(
    "conflict",
    "Another principal has this identity.",
    "Find it with `claviger principal list --json`, and take the identity from it with `claviger principal unlink`.",
  ),
  "identity-needs-person": row(
    "precondition",
    "Only persons sign in, and the principal is a service.",
    "Create a principal with `--person`, or give the service a token or a certificate.",
  ),
  "certificate-taken": row(
    "conflict",
    "Another principal is bound to this certificate.",
    "Give each principal a certificate of its own, or free the other one (`claviger principal list --json` shows it) with `claviger principal certificate NAME --none`.",
  ),
  "token-not-found": row(
    "absent",
    "The principal has no such token.",
    "List its tokens with `claviger token list`.",
  ),

  // Daemon, store and machine
  "fence-moved": row(
    "unavailable",
    "The master keys changed again and again while the request ran.",
    "Repeat the request.",
  ),
  "rights-moved": row(
    "unavailable",
    "Rights or keys were withdrawn again and again while the request ran.",
    "Repeat the request.",
  ),
  "store-full": row(
    "unavailable",
    "The disk of the database is full.",
    "Free space; the service goes on by itself.",
  ),
  "store-read-only": row(
    "unavailable",
    "The database cannot be written.",
    "Make it writable for the service: its folder and files, or the tables for its role on a primary server.",
  ),
  "store-busy": row(
    "unavailable",
    "The database is held by another process, or has no room for one more.",
    "Find the process that holds the database open, or its locks; see the limits of the server.",
  ),
  "store-failed": row(
    "unavailable",
    "The database could not be read or written.",
    "Look at the disk, the database server and the log; the service goes on by itself when it works again.",
  ),
  "store-refused": row(
    "unavailable",
    "The database server does not let the service in.",
    "Check user, password file and name of the database in `store`, and the server's pg_hba.conf and log.",
  ),
  "store-unsuitable": row(
    "precondition",
    "The database server cannot be relied on to keep keys.",
    "Set it up as docs/operations/running.md says.",
  ),
  "store-in-use": row(
    "conflict",
    "Another daemon uses this database.",
    "Stop it first, or give this one a database of its own with CLAVIGER_STORE; then start this one again.",
  ),
  "store-damaged": row(
    "internal",
    "The database is damaged or not a database of Claviger.",
    "Restore it from a backup.",
  ),
  "store-missing": row(
    "precondition",
    "The crypto units are there but the database is not.",
    "Restore the database from a backup; a new one would know none of your keys.",
  ),
  "store-rolled-back": row(
    "blocked",
    "The database was restored from a backup, or it or the audit log is older than it should be, so nothing is changed in it.",
    "Make sure that no other daemon serves a newer one; then let an administrator run `claviger store accept-rollback`.",
  ),
  "rollback-not-found": row(
    "absent",
    "No rollback of the database waits to be accepted.",
    "See `claviger status`.",
  ),
  "store-not-empty": row(
    "precondition",
    "The database is not empty, and a backup is restored into an empty one only.",
    "Give a data folder without a database, with the units and PINs alone, or an empty PostgreSQL database; keep the old one until all is well.",
  ),
  "restore-incomplete": row(
    "precondition",
    "A restore of the database was interrupted, so it holds a part of the backup only.",
    "Run the same `clavigerd backup restore` again; it goes on where it was.",
  ),
  "store-newer": row(
    "precondition",
    "The database was written by a newer release.",
    "Run that release, or restore an older backup.",
  ),
  "audit-unavailable": row(
    "unavailable",
    "The audit log cannot be written, so nothing is done.",
    "See /readyz for the reason: free space, or bring the audit folder back; the service goes on by itself.",
  ),
  "audit-damaged": row(
    "internal",
    "The audit log is damaged, or not an audit log of Claviger.",
    "Set its folder aside for the auditors, and start again: a new chain begins, and says so.",
  ),

  // Backups
  "backup-not-found": row(
    "absent",
    "There is no such backup.",
    "List the backups with `claviger backup list`.",
  ),
  "backup-running": row(
    "conflict",
    "Another backup is being written.",
    "Wait until it is complete: `claviger backup list` shows how far it is.",
  ),
  "backup-not-written": row(
    "blocked",
    "The backup could not be written whole, and nothing of it is left.",
    "Free space or mend the folder that is named, and repeat it; the backups from before are untouched.",
  ),
  "backup-unreadable": row(
    "precondition",
    "The backup file cannot be read.",
    "Check the path and its permissions; the file is for its owner only.",
  ),
  "backup-damaged": row(
    "invalid",
    "The file is no backup of Claviger, or was changed or damaged.",
    "Use another copy of it, or another backup; nothing of this one was used.",
  ),
  "backup-newer": row(
    "precondition",
    "The backup was made by a newer release.",
    "Use that release, or a later one.",
  ),
  "backup-needs-unit": row(
    "precondition",
    "No crypto unit at hand holds the master key that the backup needs.",
    "Bring the units that hold the pattern that is named, with their PINs: copies of the time of the backup.",
  ),

  // Tools for a Barbican
  "barbican-config-unsuitable": row(
    "precondition",
    "The configuration of Barbican cannot be used.",
    "Correct the option that is named, or name the right files with --config.",
  ),
  "barbican-database-unsuitable": row(
    "precondition",
    "The database of Barbican cannot be opened, written, or taken for one.",
    "Check the address in `[database] connection`, user and rights, and whether the schema is up to date.",
  ),
  "barbican-database-failed": row(
    "unavailable",
    "The database of Barbican failed.",
    "Nothing is half done: run the same command again when it answers.",
  ),
  "barbican-pin-refused": row(
    "precondition",
    "The token of Barbican refuses the PIN.",
    "It was tried once, for tokens lock after a few wrong ones: correct `login`, or the file of --pin-file, before you try again.",
  ),
  "barbican-mechanism-unsuitable": row(
    "precondition",
    "The token of Barbican does not wrap in the way that is wanted.",
    "Give another --key-wrap-mechanism or --key-wrap-generate-iv: the manual of the HSM says what it does.",
  ),
  "barbican-token-failed": row(
    "unavailable",
    "The token of Barbican gives no answer.",
    "Nothing is half done: run the same command again when it answers.",
  ),
  "barbican-key-missing": row(
    "precondition",
    "The token does not have exactly one key of that label and type.",
    "Look with `clavigerd hsm check-mkek` and `check-hmac`; make new ones with `gen-mkek` and `gen-hmac`.",
  ),
  "barbican-run-in-progress": row(
    "precondition",
    "Another run is moving the project keys of this Barbican.",
    "Wait for it to end: a run that died holds nothing.",
  ),

  "data-folder-in-use": row(
    "conflict",
    "Another daemon uses this data folder.",
    "Stop it first, or give this one a folder of its own with CLAVIGER_DATA.",
  ),
  "data-folder-unusable": row(
    "precondition",
    "The data folder cannot be used.",
    "Give a folder that this user owns and may write, with CLAVIGER_DATA.",
  ),
  "address-in-use": row(
    "conflict",
    "Another program listens on this address.",
    "Stop it, or listen elsewhere with CLAVIGER_LISTEN.",
  ),
  "config-invalid": row("invalid", "The configuration is not valid.", "Correct the entry that is named."),
  stopping: row("unavailable", "The service is stopping.", "Repeat the request in a moment."),
  internal: row(
    "internal",
    "Something failed that should not.",
    "Look for the request id in the log and report it.",
  ),
} as const satisfies Record<string, FailureRow>;

export type FailureCode = keyof typeof FAILURES;

function row(category: FailureCategory, meaning: string, advice: string): FailureRow {
  return { category, meaning, advice };
}

/** A refusal or fault with a stable code. `detail` says what, `field` names the input at fault. */
export class Failure extends Error {
  readonly code: FailureCode;
  readonly field: string | undefined;

  /** `detail` is one sentence or clause that users may read: never a secret, a wrapped blob or a path of a key file's content. */
  constructor(code: FailureCode, detail?: string, options?: { field?: string; cause?: unknown }) {
    super(
      detail ?? FAILURES[code].meaning,
      options?.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = "Failure";
    this.code = code;
    this.field = options?.field;
  }

  get category(): FailureCategory {
    return FAILURES[this.code].category;
  }

  get advice(): string {
    return FAILURES[this.code].advice;
  }
}

export function isFailure(error: unknown, ...codes: FailureCode[]): error is Failure {
  return error instanceof Failure && (codes.length === 0 || codes.includes(error.code));
}
